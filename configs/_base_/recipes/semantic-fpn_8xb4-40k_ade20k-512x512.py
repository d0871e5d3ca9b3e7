_base_ = [
    '../models/semantic-fpn.py',
    '../datasets/ade20k_512x512.py',
    '../schedules/poly_40k.py',
    '../seg_runtime.py',
]

default_hooks = dict(checkpoint=dict(interval=4000))
