_base_ = [
    '../_base_/backbones/pvt-small.py',
    '../_base_/segmentors/semantic-fpn.py',
    '../_base_/datasets/ade20k_512x512.py',
    '../_base_/schedules/semantic-fpn_40k.py',
    '../_base_/seg_runtime.py',
]

model = dict(
    backbone=_base_.backbone,
    neck=dict(in_channels=_base_.out_channels),
)
