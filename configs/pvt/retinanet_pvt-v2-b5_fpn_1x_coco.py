_base_ = [
    '../_base_/backbones/pvt-v2-b5.py',
    '../_base_/detectors/retinanet_fpn.py',
    '../_base_/datasets/coco_detection.py',
    '../_base_/schedules/adamw_1x.py',
    '../_base_/det_runtime.py',
]

model = dict(
    backbone=_base_.backbone,
    neck=dict(in_channels=_base_.out_channels),
)
# 8 GPUs x 1 image
train_dataloader = dict(batch_size=1)
optim_wrapper = dict(optimizer=dict(lr=0.0001 / 1.4))
auto_scale_lr = dict(base_batch_size=8)
