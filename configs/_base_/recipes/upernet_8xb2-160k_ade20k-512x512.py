_base_ = [
    '../segmentors/upernet.py',
    '../datasets/ade20k_512x512.py',
    '../schedules/upernet_160k.py',
    '../seg_runtime.py',
]

train_dataloader = dict(batch_size=2)
