# For plain ViTs: a simple feature pyramid in place of FPN.
_base_ = './semantic-fpn_4xb4-80k_ade20k-512x512.py'

model = dict(
    neck=dict(
        _delete_=True,
        type='vitdense.SimpleFeaturePyramid',
        out_channels=256,
        num_outs=4,
    ),
)
