# Semantic FPN for pictures of 128 pixels and a CPU.
_base_ = './semantic-fpn.py'

model = dict(
    data_preprocessor=dict(size=(128, 128)),
    neck=dict(out_channels=64, norm_cfg=dict(type='BN')),
    decode_head=dict(
        in_channels=[64, 64, 64, 64],
        channels=64,
        num_classes=5,
        norm_cfg=dict(type='BN'),
    ),
)
