_base_ = './det_runtime.py'

default_scope = 'mmpretrain'

default_hooks = dict(
    logger=dict(interval=100),
    visualization=dict(type='VisualizationHook'),
)
visualizer = dict(type='UniversalVisualizer')
