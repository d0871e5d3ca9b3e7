_base_ = [
    '../_base_/backbones/vit-dinov2-s.py',
    '../_base_/recipes/upernet_taps_patch-14_8xb2-160k_ade20k-512x512.py',
]

__dims = _base_.pop('out_channels')
model = dict(
    backbone=_base_.pop('backbone'),
    neck=dict(in_channels=__dims, out_channels=__dims[0]),
    decode_head=dict(in_channels=__dims),
    auxiliary_head=dict(in_channels=__dims[0]),
)
