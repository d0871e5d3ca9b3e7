# Sparse R-CNN's: a quarter of the learning rate, gradients clipped, the same
# decay for every parameter.
_base_ = './step_1x.py'

train_cfg = dict(max_epochs=36)
param_scheduler = [
    _base_.param_scheduler[0],
    dict(_base_.param_scheduler[1], end=36, milestones=[27, 33]),
]
optim_wrapper = dict(
    optimizer=dict(lr=0.000025), clip_grad=dict(max_norm=1, norm_type=2)
)
