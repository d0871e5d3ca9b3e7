_base_ = [
    '../_base_/backbones/vit-dinov3-b.py',
    '../_base_/recipes/mask-rcnn_sfp_lsj-100e_coco.py',
]

model = dict(
    backbone=dict(_base_.pop('backbone'), out_indices=(11,), tune='lora'),
    neck=dict(in_channels=_base_.pop('out_channels')[-1:]),
)
