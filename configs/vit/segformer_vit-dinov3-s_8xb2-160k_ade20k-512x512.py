_base_ = [
    '../_base_/backbones/vit-dinov3-s.py',
    '../_base_/recipes/segformer_sfp_8xb2-160k_ade20k-512x512.py',
]

model = dict(
    backbone=dict(_base_.pop('backbone'), out_indices=(11,)),
    neck=dict(in_channels=_base_.pop('out_channels')[-1:]),
)
