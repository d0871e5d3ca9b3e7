# For plain ViTs: a simple feature pyramid of strides 8 to 64.
_base_ = './dino-4scale_12e_coco.py'

model = dict(
    backbone=dict(_delete_=True),  # its levels are blocks
    neck=dict(
        _delete_=True,
        type='vitdense.SimpleFeaturePyramid',
        out_channels=256,
        start_level=1,
        num_outs=4,
    ),
)
