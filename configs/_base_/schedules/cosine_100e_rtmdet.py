# RTMDet's on transformers: 100 epochs, a cosine in the second half, the last
# ten without mixing; averaged weights are scored.
_base_ = './step_1x.py'

__epochs, __unmixed = 100, 10
__lr = 0.001
train_cfg = dict(
    max_epochs=__epochs,
    val_interval=10,
    dynamic_intervals=[(__epochs - __unmixed, 1)],
)
param_scheduler = [
    dict(
        type='LinearLR', start_factor=1e-5, by_epoch=False, begin=0, end=1000
    ),
    dict(
        type='CosineAnnealingLR',
        eta_min=__lr * 0.05,
        begin=__epochs // 2,
        end=__epochs,
        T_max=__epochs // 2,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
optim_wrapper = dict(
    optimizer=dict(lr=__lr, weight_decay=0.05),
    paramwise_cfg=dict(
        norm_decay_mult=0.0, bias_decay_mult=0.0, bypass_duplicate=True
    ),
)
auto_scale_lr = dict(base_batch_size=128)
