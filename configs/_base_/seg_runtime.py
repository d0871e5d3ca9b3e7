default_scope = 'mmseg'
# for the libraries' own tools: their models need the stand-ins for operators
custom_imports = dict(imports=['vitdense'], allow_failed_imports=False)

# a recipe adds the checkpoint's interval: that of its validation
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='vitdense.SafeCheckpointHook', by_epoch=False),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    visualization=dict(type='SegVisualizationHook'),
)

custom_hooks = [
    # on_bad='skip' leaves out up to max_skipped=10 bad steps
    dict(type='vitdense.StopOnNonFiniteHook', on_bad='stop'),
    # saves and ends on SIGTERM and SIGUSR1
    dict(type='vitdense.PreemptionHook'),
]

env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)

visualizer = dict(
    type='SegLocalVisualizer',
    vis_backends=[dict(type='LocalVisBackend')],
    name='visualizer',
)
log_processor = dict(by_epoch=False)

log_level = 'INFO'
load_from = None
resume = False

tta_model = dict(type='SegTTAModel')
