_base_ = [
    '../models/mask-rcnn_fpn_small.py',
    '../datasets/shapes_instance.py',
    '../schedules/cosine_4e.py',
    '../det_runtime.py',
]

# too short a training, from scratch, for stochastic depth
model = dict(backbone=dict(drop_path_rate=0.0))
# pictures of the predictions beside the truth, at the end
default_hooks = dict(
    logger=dict(interval=20),
    checkpoint=dict(max_keep_ckpts=1),
    visualization=dict(draw=True, interval=2, score_thr=0.5),
)
randomness = dict(seed=0)
