_base_ = [
    '../_base_/backbones/se-resnet-50.py',
    '../_base_/recipes/mask-rcnn_1x_coco.py',
]

model = dict(
    backbone=_base_.pop('backbone'),
    neck=dict(in_channels=_base_.pop('out_channels')),
)
