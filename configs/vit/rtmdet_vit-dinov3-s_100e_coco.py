_base_ = [
    '../_base_/backbones/vit-dinov3-s.py',
    '../_base_/recipes/rtmdet_sfp_100e_coco.py',
]

__pyramid, __pafpn = _base_.model.neck
model = dict(
    backbone=dict(_base_.pop('backbone'), out_indices=(11,)),
    neck=[
        dict(__pyramid, in_channels=_base_.pop('out_channels')[-1:]),
        __pafpn,
    ],
)
