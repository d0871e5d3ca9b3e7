_base_ = [
    '../_base_/backbones/cvt-13.py',
    '../_base_/recipes/mask2former_3-levels_lsj-50e_coco-panoptic.py',
]

model = dict(
    backbone=_base_.pop('backbone'),
    neck=dict(in_channels=_base_.pop('out_channels')),
)
