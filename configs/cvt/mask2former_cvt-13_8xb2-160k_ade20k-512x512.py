_base_ = [
    '../_base_/backbones/cvt-13.py',
    '../_base_/recipes/mask2former_3-levels_8xb2-160k_ade20k-512x512.py',
]

model = dict(
    backbone=_base_.pop('backbone'),
    neck=dict(in_channels=_base_.pop('out_channels')),
)
