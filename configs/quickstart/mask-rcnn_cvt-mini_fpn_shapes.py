_base_ = '../_base_/recipes/mask-rcnn_shapes.py'

model = dict(
    # 8 images a step, from scratch: batch statistics, not norm_eval
    backbone=dict(
        type='vitdense.CvT',
        arch=dict(dims=(32, 96, 192), depths=(1, 2, 4), heads=(1, 3, 6)),
    ),
    neck=dict(in_channels=[32, 96, 192], add_extra_convs='on_input'),
)
