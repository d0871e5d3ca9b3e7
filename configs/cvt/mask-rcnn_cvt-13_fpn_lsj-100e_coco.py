_base_ = [
    '../_base_/backbones/cvt-13.py',
    '../_base_/recipes/mask-rcnn_lsj-100e_coco.py',
]

model = dict(
    backbone=_base_.pop('backbone'),
    neck=dict(
        in_channels=_base_.pop('out_channels'), add_extra_convs='on_input'
    ),
)
