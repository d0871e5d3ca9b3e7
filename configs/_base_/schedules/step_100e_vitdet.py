# Detectron2's 100 epochs of large-scale jittering, by AdamW as in ViTDet.
_base_ = './step_3x.py'

train_cfg = dict(max_epochs=100, val_interval=5)
param_scheduler = [
    dict(_base_.param_scheduler[0], end=250),
    dict(_base_.param_scheduler[1], end=100, milestones=[89, 96]),
]
optim_wrapper = dict(optimizer=dict(weight_decay=0.1))
auto_scale_lr = dict(base_batch_size=64)
