_base_ = [
    '../_base_/backbones/t2t-14.py',
    '../_base_/recipes/mask2former_8xb2-160k_ade20k-512x512.py',
]

model = dict(
    backbone=_base_.pop('backbone'),
    decode_head=dict(in_channels=_base_.pop('out_channels')),
)
