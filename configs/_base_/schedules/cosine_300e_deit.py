# DeiT's (facebookresearch/deit main.py), which PVT took over (whai362/PVT
# classification/main.py): AdamW, 0.0005 for 512 images, so 0.001 for PVT's
# 8 GPUs x 128; 5 epochs of warm-up from a thousandth, a cosine to 1e-5.
train_cfg = dict(
    type='vitdense.ResumableEpochLoop', max_epochs=300, val_interval=1
)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=0.001,
        begin=0,
        end=5,
        convert_to_iter_based=True,
    ),
    dict(
        type='CosineAnnealingLR',
        eta_min=1e-5,
        begin=5,
        end=300,
        T_max=295,
        convert_to_iter_based=True,
    ),
]
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(
        type='AdamW', lr=0.001, betas=(0.9, 0.999), weight_decay=0.05
    ),
    paramwise_cfg=dict(
        norm_decay_mult=0.0,
        bias_decay_mult=0.0,
        custom_keys=dict(
            pos_embed=dict(decay_mult=0.0), cls_token=dict(decay_mult=0.0)
        ),
    ),
)
auto_scale_lr = dict(enable=False, base_batch_size=1024)
