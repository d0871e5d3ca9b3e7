# Swin's and Twins': 8 GPUs x 2 images, a warm-up and a polynomial of power 1,
# no decay of norms and position embeddings.
_base_ = './poly_80k.py'

train_cfg = dict(max_iters=160000, val_interval=16000)
param_scheduler = [
    dict(
        type='LinearLR', start_factor=1e-6, by_epoch=False, begin=0, end=1500
    ),
    dict(_base_.param_scheduler[0], power=1.0, begin=1500, end=160000),
]
optim_wrapper = dict(
    optimizer=dict(lr=0.00006, betas=(0.9, 0.999), weight_decay=0.01),
    paramwise_cfg=dict(
        norm_decay_mult=0.0,
        custom_keys=dict(
            pos_embed=dict(decay_mult=0.0), cls_token=dict(decay_mult=0.0)
        ),
    ),
)
