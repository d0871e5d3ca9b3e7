_base_ = [
    '../_base_/backbones/cvt-21.py',
    '../_base_/recipes/cvt_8xb256-300e_in1k.py',
]

__channels = _base_.pop('out_channels')[-1]
model = dict(
    backbone=dict(
        _base_.pop('backbone'),
        init_cfg=None,
        norm_eval=False,
        out_indices=[2],
    ),
    neck=dict(in_channels=__channels),
    head=dict(in_channels=__channels),
)
# microsoft/CvT experiments/imagenet/cvt/cvt-21-224x224.yaml; for 2048 images,
# as in the paper, 16 GPUs at the 128 of that file.
train_dataloader = dict(
    batch_size=128,
    sampler=dict(_delete_=True, type='RepeatAugSampler', shuffle=True),
)
optim_wrapper = dict(optimizer=dict(weight_decay=0.1))
