_base_ = [
    '../_base_/backbones/pvt-large.py',
    '../_base_/segmentors/upernet.py',
    '../_base_/datasets/ade20k_512x512.py',
    '../_base_/schedules/upernet_160k.py',
    '../_base_/seg_runtime.py',
]

model = dict(
    backbone=_base_.backbone,
    decode_head=dict(in_channels=_base_.out_channels),
    auxiliary_head=dict(in_channels=_base_.out_channels[2]),
)
train_dataloader = dict(batch_size=2)
