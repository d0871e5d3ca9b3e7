_base_ = [
    '../models/rtmdet.py',
    '../datasets/coco_detection_mosaic-640.py',
    '../schedules/cosine_100e_rtmdet.py',
    '../det_runtime.py',
]

custom_hooks = [
    *_base_.custom_hooks,
    dict(
        type='EMAHook',
        ema_type='ExpMomentumEMA',
        momentum=0.0002,
        update_buffers=True,
        priority=49,
    ),
    dict(
        type='PipelineSwitchHook',
        switch_epoch=_base_.train_cfg.dynamic_intervals[0][0],
        switch_pipeline=_base_.pop('unmixed_pipeline'),
    ),
]
default_hooks = dict(checkpoint=dict(interval=10))
