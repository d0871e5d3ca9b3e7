_base_ = [
    '../models/linear.py',
    '../datasets/ade20k_512x512.py',
    '../schedules/cosine_40k_linear.py',
    '../seg_runtime.py',
]

train_dataloader = dict(batch_size=2)
default_hooks = dict(checkpoint=dict(interval=5000))
