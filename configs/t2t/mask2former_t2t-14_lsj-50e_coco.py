_base_ = [
    '../_base_/backbones/t2t-14.py',
    '../_base_/recipes/mask2former_lsj-50e_coco.py',
]

model = dict(
    backbone=_base_.pop('backbone'),
    panoptic_head=dict(in_channels=_base_.pop('out_channels')),
)
