# DINOv3's for its linear head: 40 000 iterations of 8 GPUs x 2 images, the
# cosine of one cycle of the whole length, and a warm-up of it:
# dinov3/eval/segmentation/configs/config-ade20k-linear-training.yaml.
_base_ = './poly_80k.py'

train_cfg = dict(max_iters=40000, val_interval=5000)
param_scheduler = [
    dict(
        type='LinearLR', start_factor=1e-6, by_epoch=False, begin=0, end=1500
    ),
    dict(
        type='CosineAnnealingLR',
        eta_min=0.0,
        begin=0,
        end=40000,
        by_epoch=False,
    ),
]
optim_wrapper = dict(
    optimizer=dict(lr=0.001, betas=(0.9, 0.999), weight_decay=0.001)
)
