# For training from scratch in minutes: 600 iterations of 8 images.
_base_ = './poly_80k.py'

train_cfg = dict(max_iters=600, val_interval=600)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=100),
    dict(_base_.param_scheduler[0], begin=100, end=600),
]
optim_wrapper = dict(
    optimizer=dict(lr=0.001, weight_decay=0.01), clip_grad=dict(max_norm=10.0)
)
auto_scale_lr = dict(base_batch_size=8)
