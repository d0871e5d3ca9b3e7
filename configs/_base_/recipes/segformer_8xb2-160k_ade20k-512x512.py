_base_ = [
    '../models/segformer.py',
    '../datasets/ade20k_512x512.py',
    '../schedules/poly_160k.py',
    '../seg_runtime.py',
]

train_dataloader = dict(batch_size=2)
optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys=dict(decode_head=dict(lr_mult=10.0)))
)
default_hooks = dict(checkpoint=dict(interval=16000))
