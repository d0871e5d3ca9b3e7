_base_ = [
    '../_base_/backbones/pvt-v2-b0.py',
    '../_base_/recipes/semantic-fpn_600_shapes.py',
]

model = dict(
    backbone=dict(_base_.backbone, init_cfg=None, drop_path_rate=0.0),
    neck=dict(in_channels=_base_.out_channels),
)
