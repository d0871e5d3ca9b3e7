# For plain ViTs: a simple feature pyramid in place of FPN.
_base_ = './fcos_1x_coco.py'

model = dict(
    neck=dict(
        _delete_=True,
        type='vitdense.SimpleFeaturePyramid',
        out_channels=256,
        start_level=1,
        num_outs=5,
    ),
)
