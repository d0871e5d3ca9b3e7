_base_ = [
    '../_base_/backbones/pvt-medium.py',
    '../_base_/recipes/retinanet_1x_coco.py',
]

model = dict(
    backbone=dict(_base_.backbone, drop_path_rate=0.0),
    neck=dict(in_channels=_base_.out_channels),
)
