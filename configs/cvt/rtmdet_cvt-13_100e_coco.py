_base_ = [
    '../_base_/backbones/cvt-13.py',
    '../_base_/recipes/rtmdet_2-levels_100e_coco.py',
]

__mapper, __pafpn = _base_.model.neck
model = dict(
    backbone=_base_.pop('backbone'),
    neck=[
        dict(__mapper, in_channels=_base_.pop('out_channels')[1:]),
        __pafpn,
    ],
)
