# For plain ViTs: a simple feature pyramid makes the four levels.
_base_ = './mask2former_lsj-50e_coco-panoptic.py'

model = dict(
    neck=dict(
        type='vitdense.SimpleFeaturePyramid', out_channels=256, num_outs=4
    ),
    panoptic_head=dict(in_channels=[256] * 4),
)
