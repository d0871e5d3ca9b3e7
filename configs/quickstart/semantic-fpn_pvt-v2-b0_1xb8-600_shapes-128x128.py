_base_ = '../_base_/recipes/semantic-fpn_600_shapes.py'

model = dict(
    backbone=dict(type='vitdense.PVT', arch='v2-b0'),
    neck=dict(in_channels=[32, 64, 160, 256]),
)
