_base_ = [
    '../_base_/backbones/convnext-t.py',
    '../_base_/recipes/semantic-fpn_4xb4-80k_ade20k-512x512.py',
]

model = dict(
    backbone=_base_.pop('backbone'),
    neck=dict(in_channels=_base_.pop('out_channels')),
)
