_base_ = [
    '../_base_/backbones/pvt-v2-b2.py',
    '../_base_/recipes/deit_8xb128-300e_in1k.py',
]

model = dict(
    backbone=dict(_base_.pop('backbone'), init_cfg=None, out_indices=[3]),
    head=dict(in_channels=_base_.pop('out_channels')[-1]),
)
