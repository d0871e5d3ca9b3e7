_base_ = [
    '../models/linear.py',
    '../datasets/ade20k_512x512.py',
    '../schedules/cosine_40k_linear.py',
    '../seg_runtime.py',
]

# windows have one size whatever the picture's: no multiples of 32
__pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(2048, 512), keep_ratio=True),
    dict(type='LoadAnnotations', reduce_zero_label=True),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(batch_size=2)
val_dataloader = dict(dataset=dict(pipeline=__pipeline))
test_dataloader = val_dataloader
test_pipeline = __pipeline
default_hooks = dict(checkpoint=dict(interval=5000))
