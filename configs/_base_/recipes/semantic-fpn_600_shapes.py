_base_ = [
    '../models/semantic-fpn_small.py',
    '../datasets/shapes_segmentation.py',
    '../schedules/poly_600.py',
    '../seg_runtime.py',
]

# too short a training, from scratch, for stochastic depth
model = dict(backbone=dict(drop_path_rate=0.0))
# pictures of the predictions beside the truth, at the end
default_hooks = dict(
    logger=dict(interval=20),
    checkpoint=dict(interval=600, max_keep_ckpts=1),
    visualization=dict(draw=True, interval=2),
)
randomness = dict(seed=0)
