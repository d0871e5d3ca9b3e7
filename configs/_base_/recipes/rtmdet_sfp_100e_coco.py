# For plain ViTs: a simple feature pyramid of strides 8 to 32 before the neck.
_base_ = './rtmdet_100e_coco.py'

model = dict(
    backbone=dict(_delete_=True),  # its levels are blocks
    neck=[
        dict(
            type='vitdense.SimpleFeaturePyramid',
            out_channels=256,
            start_level=1,
            num_outs=3,
        ),
        dict(_base_.model.neck, in_channels=[256] * 3),
    ],
)
