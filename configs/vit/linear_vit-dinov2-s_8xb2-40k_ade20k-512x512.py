_base_ = [
    '../_base_/backbones/vit-dinov2-s.py',
    '../_base_/recipes/linear_patch-14_8xb2-40k_ade20k-512x512.py',
]

__dim = _base_.pop('out_channels')[-1]
model = dict(
    backbone=dict(_base_.pop('backbone'), out_indices=(11,)),
    neck=dict(in_channels=[__dim]),
    decode_head=dict(in_channels=__dim, channels=__dim),
)
