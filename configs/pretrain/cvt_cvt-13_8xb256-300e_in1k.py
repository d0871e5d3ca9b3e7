_base_ = [
    '../_base_/backbones/cvt-13.py',
    '../_base_/recipes/cvt_8xb256-300e_in1k.py',
]

__channels = _base_.pop('out_channels')[-1]
model = dict(
    backbone=dict(
        _base_.pop('backbone'),
        init_cfg=None,
        norm_eval=False,
        out_indices=[2],
    ),
    neck=dict(in_channels=__channels),
    head=dict(in_channels=__channels),
)
