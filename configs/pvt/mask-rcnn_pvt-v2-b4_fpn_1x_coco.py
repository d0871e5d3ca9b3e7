_base_ = [
    '../_base_/backbones/pvt-v2-b4.py',
    '../_base_/detectors/mask-rcnn_fpn.py',
    '../_base_/datasets/coco_instance.py',
    '../_base_/schedules/adamw_1x.py',
    '../_base_/det_runtime.py',
]

model = dict(
    backbone=_base_.backbone,
    neck=dict(in_channels=_base_.out_channels),
)
# 8 GPUs x 1 image
train_dataloader = dict(batch_size=1)
optim_wrapper = dict(optimizer=dict(lr=0.0002 / 1.4))
auto_scale_lr = dict(base_batch_size=8)
