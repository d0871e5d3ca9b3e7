_base_ = [
    '../_base_/backbones/t2t-14.py',
    '../_base_/recipes/rtmdet_100e_coco.py',
]

model = dict(
    backbone=_base_.pop('backbone'),
    neck=dict(in_channels=_base_.pop('out_channels')[1:]),
)
