_base_ = [
    '../models/mask2former_semantic.py',
    '../datasets/ade20k_512x512.py',
    '../schedules/poly_160k_mask2former.py',
    '../seg_runtime.py',
]

# mmseg's head is made of mmdet's parts
custom_imports = dict(imports=['vitdense', 'mmdet.models'])
train_dataloader = dict(batch_size=2)
default_hooks = dict(checkpoint=dict(interval=5000))
