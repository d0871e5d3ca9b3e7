_base_ = [
    '../models/upernet.py',
    '../datasets/ade20k_512x512.py',
    '../schedules/poly_160k.py',
    '../seg_runtime.py',
]

train_dataloader = dict(batch_size=2)
default_hooks = dict(checkpoint=dict(interval=16000))
