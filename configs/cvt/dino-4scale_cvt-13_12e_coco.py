_base_ = [
    '../_base_/backbones/cvt-13.py',
    '../_base_/recipes/dino-4scale_12e_coco.py',
]

model = dict(
    backbone=dict(_base_.pop('backbone'), out_indices=(1, 2)),
    neck=dict(in_channels=_base_.pop('out_channels')[1:]),
)
