_base_ = [
    '../_base_/backbones/pvt-large.py',
    '../_base_/recipes/mask-rcnn_8xb1-1x_coco.py',
]

model = dict(
    backbone=_base_.pop('backbone'),
    neck=dict(in_channels=_base_.pop('out_channels')),
)
