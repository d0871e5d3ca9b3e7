# For patches of 14 pixels. Of strides the head reads how often they double.
_base_ = './semantic-fpn_sfp_4xb4-80k_ade20k-512x512.py'

model = dict(
    # 37 patches where crops have 36.6: maps cover the images exactly
    data_preprocessor=dict(size=(518, 518), test_cfg=dict(size_divisor=14)),
    neck=dict(in_stride=14),
)
