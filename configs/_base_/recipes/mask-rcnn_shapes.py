_base_ = [
    '../detectors/mask-rcnn_fpn_small.py',
    '../datasets/shapes_instance.py',
    '../schedules/adamw_4e.py',
    '../det_runtime.py',
]

# pictures of the predictions beside the truth, at the end
default_hooks = dict(
    logger=dict(interval=20),
    checkpoint=dict(max_keep_ckpts=1),
    visualization=dict(draw=True, interval=2, score_thr=0.5),
)
