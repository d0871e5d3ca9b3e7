_base_ = '../_base_/recipes/mask-rcnn_shapes.py'

model = dict(
    backbone=dict(
        type='vitdense.T2TViT',
        arch=dict(
            design='pyramid',
            dims=(32, 64, 160, 256),
            depths=(2, 2, 4, 2),
            heads=(1, 2, 5, 8),
            mlp_ratios=(3, 3, 3, 3),
            reductions=(8, 4, 2, 1),
        ),
    ),
    neck=dict(in_channels=[32, 64, 160, 256]),
)
