_base_ = [
    '../_base_/backbones/vit-dinov3-s.py',
    '../_base_/recipes/fcos_sfp_1x_coco.py',
]

model = dict(
    backbone=dict(_base_.pop('backbone'), out_indices=(11,)),
    neck=dict(in_channels=_base_.pop('out_channels')[-1:]),
)
