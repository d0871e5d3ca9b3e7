# DINO-DETR's 12 epochs: a tenth of the learning rate in the backbone.
_base_ = './step_1x.py'

param_scheduler = [
    dict(_base_.param_scheduler[1], milestones=[11]),
]
optim_wrapper = dict(
    clip_grad=dict(max_norm=0.1, norm_type=2),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1))),
)
