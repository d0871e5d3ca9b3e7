_base_ = [
    '../_base_/backbones/pvt-small.py',
    '../_base_/recipes/detr_50e_coco.py',
]

model = dict(
    backbone=_base_.pop('backbone'),
    neck=dict(in_channels=_base_.pop('out_channels')[3:]),
)
