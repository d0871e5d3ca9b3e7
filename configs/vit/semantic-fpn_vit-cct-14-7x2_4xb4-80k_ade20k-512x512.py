_base_ = [
    '../_base_/backbones/vit-cct-14-7x2.py',
    '../_base_/recipes/semantic-fpn_sfp_4xb4-80k_ade20k-512x512.py',
]

model = dict(
    backbone=dict(_base_.pop('backbone'), out_indices=(13,)),
    neck=dict(in_channels=_base_.pop('out_channels')[-1:]),
)
