_base_ = '../_base_/recipes/mask-rcnn_shapes.py'

model = dict(
    backbone=dict(
        type='vitdense.ViT',
        arch=dict(dim=192, depth=6, heads=3, position_px=128),
        out_indices=(5,),  # the last block alone: the neck makes the levels
    ),
    neck=dict(
        _delete_=True,
        type='vitdense.SimpleFeaturePyramid',
        in_channels=[192],
        out_channels=64,
        num_outs=4,
    ),
)
