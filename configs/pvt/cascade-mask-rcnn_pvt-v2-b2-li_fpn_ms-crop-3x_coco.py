_base_ = [
    '../_base_/backbones/pvt-v2-b2-li.py',
    '../_base_/detectors/cascade-mask-rcnn_fpn.py',
    '../_base_/datasets/coco_instance_ms-crop.py',
    '../_base_/schedules/adamw_3x.py',
    '../_base_/det_runtime.py',
]

model = dict(
    backbone=_base_.backbone,
    neck=dict(in_channels=_base_.out_channels),
)
