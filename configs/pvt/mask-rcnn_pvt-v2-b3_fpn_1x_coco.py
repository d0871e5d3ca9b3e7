_base_ = [
    '../_base_/backbones/pvt-v2-b3.py',
    '../_base_/detectors/mask-rcnn_fpn.py',
    '../_base_/datasets/coco_instance.py',
    '../_base_/schedules/adamw_1x.py',
    '../_base_/det_runtime.py',
]

model = dict(
    backbone=_base_.backbone,
    neck=dict(in_channels=_base_.out_channels),
)
optim_wrapper = dict(optimizer=dict(lr=0.0002))
