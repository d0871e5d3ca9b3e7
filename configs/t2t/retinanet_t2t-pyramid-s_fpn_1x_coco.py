_base_ = [
    '../_base_/backbones/t2t-pyramid-s.py',
    '../_base_/recipes/retinanet_1x_coco.py',
]

model = dict(
    backbone=_base_.pop('backbone'),
    neck=dict(in_channels=_base_.pop('out_channels')),
)
