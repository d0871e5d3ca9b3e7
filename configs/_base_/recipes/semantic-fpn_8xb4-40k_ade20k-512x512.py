_base_ = [
    '../segmentors/semantic-fpn.py',
    '../datasets/ade20k_512x512.py',
    '../schedules/semantic-fpn_40k.py',
    '../seg_runtime.py',
]
