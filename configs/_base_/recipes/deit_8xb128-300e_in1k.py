_base_ = [
    '../models/classifier.py',
    '../datasets/imagenet_224.py',
    '../schedules/cosine_300e_deit.py',
    '../cls_runtime.py',
]

default_hooks = dict(checkpoint=dict(interval=10))
