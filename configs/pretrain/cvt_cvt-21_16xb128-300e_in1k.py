# microsoft/CvT experiments/imagenet/cvt/cvt-21-224x224.yaml; for 2048 images,
# as in the paper, 16 GPUs at the 128 of that file.
_base_ = './cvt_cvt-13_8xb256-300e_in1k.py'

model = dict(backbone=dict(arch='21'))
train_dataloader = dict(
    batch_size=128,
    sampler=dict(_delete_=True, type='RepeatAugSampler', shuffle=True),
)
optim_wrapper = dict(optimizer=dict(weight_decay=0.1))
