# Mask2Former's 50 epochs of 16 images: a tenth of the learning rate in the
# backbone, no decay of norms and queries.
__iters = 368750
__spared = dict(lr_mult=1.0, decay_mult=0.0)
train_cfg = dict(
    type='vitdense.ResumableIterLoop', max_iters=__iters, val_interval=5000
)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

param_scheduler = [
    dict(
        type='MultiStepLR',
        begin=0,
        end=__iters,
        by_epoch=False,
        milestones=[327778, 355092],
        gamma=0.1,
    )
]
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=0.0001, weight_decay=0.05),
    clip_grad=dict(max_norm=0.01, norm_type=2),
    paramwise_cfg=dict(
        norm_decay_mult=0.0,
        custom_keys=dict(
            backbone=dict(lr_mult=0.1, decay_mult=1.0),
            query_embed=__spared,
            query_feat=__spared,
            level_embed=__spared,
        ),
    ),
)
auto_scale_lr = dict(enable=False, base_batch_size=16)
