# For backbones that end at stride 16.
_base_ = './semantic-fpn_4xb4-80k_ade20k-512x512.py'

model = dict(
    neck=dict(num_outs=3),
    decode_head=dict(
        in_channels=[256, 256, 256],
        in_index=[0, 1, 2],
        feature_strides=[4, 8, 16],
    ),
)
