_base_ = [
    '../_base_/backbones/pvt-v2-b2-li.py',
    '../_base_/recipes/gfl_ms-crop-3x_coco.py',
]

model = dict(
    backbone=_base_.pop('backbone'),
    neck=dict(in_channels=_base_.pop('out_channels')),
)
