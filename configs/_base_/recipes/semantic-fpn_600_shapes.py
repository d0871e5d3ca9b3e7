# Narrow, for pictures of 128 pixels and a CPU.
_base_ = [
    '../segmentors/semantic-fpn.py',
    '../datasets/shapes_segmentation.py',
    '../schedules/adamw_600.py',
    '../seg_runtime.py',
]

norm_cfg = dict(type='BN')
model = dict(
    data_preprocessor=dict(size=(128, 128)),
    neck=dict(out_channels=64, norm_cfg=norm_cfg),
    decode_head=dict(
        in_channels=[64, 64, 64, 64],
        channels=64,
        num_classes=5,
        norm_cfg=norm_cfg,
    ),
)
# pictures of the predictions beside the truth, at the end
default_hooks = dict(visualization=dict(draw=True, interval=2))
