# DINOv3's linear head: a BatchNorm and a 1 x 1 convolution on the last normed
# map of a frozen backbone, in sliding windows.
_base_ = './encoder-decoder.py'

model = dict(
    backbone=dict(tune='none'),
    neck=dict(type='vitdense.BatchNormNeck', dropout=0.1),
    decode_head=dict(
        type='FCNHead',
        in_index=0,
        num_convs=0,
        concat_input=False,
        dropout_ratio=0.0,  # the neck has it
        num_classes=150,
        align_corners=False,
        loss_decode=dict(
            type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0
        ),
    ),
    test_cfg=dict(mode='slide', crop_size=(512, 512), stride=(341, 341)),
)
