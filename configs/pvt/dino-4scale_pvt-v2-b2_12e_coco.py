_base_ = [
    '../_base_/backbones/pvt-v2-b2.py',
    '../_base_/recipes/dino-4scale_12e_coco.py',
]

model = dict(
    backbone=dict(_base_.pop('backbone'), out_indices=(1, 2, 3)),
    neck=dict(in_channels=_base_.pop('out_channels')[1:]),
)
