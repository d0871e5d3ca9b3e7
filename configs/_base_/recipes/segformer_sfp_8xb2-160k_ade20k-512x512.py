# For plain ViTs: a simple feature pyramid makes the four levels.
_base_ = './segformer_8xb2-160k_ade20k-512x512.py'

model = dict(
    neck=dict(
        type='vitdense.SimpleFeaturePyramid', out_channels=256, num_outs=4
    ),
    decode_head=dict(in_channels=[256] * 4),
)
