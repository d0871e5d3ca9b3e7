_base_ = [
    '../models/semantic-fpn.py',
    '../datasets/ade20k_512x512.py',
    '../schedules/poly_80k.py',
    '../seg_runtime.py',
]

default_hooks = dict(checkpoint=dict(interval=8000))
