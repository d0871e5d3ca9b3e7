_base_ = [
    '../_base_/backbones/vit-vitdet-b.py',
    '../_base_/recipes/cascade-mask-rcnn_sfp_lsj-100e_coco.py',
]

model = dict(
    backbone=dict(_base_.pop('backbone'), out_indices=(11,)),
    neck=dict(in_channels=_base_.pop('out_channels')[-1:]),
)
