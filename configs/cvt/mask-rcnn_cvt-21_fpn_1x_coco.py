_base_ = [
    '../_base_/backbones/cvt-21.py',
    '../_base_/recipes/mask-rcnn_1x_coco.py',
]

model = dict(
    backbone=_base_.pop('backbone'),
    neck=dict(
        in_channels=_base_.pop('out_channels'), add_extra_convs='on_input'
    ),
)
