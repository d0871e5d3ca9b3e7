# CvT-13's: microsoft/CvT experiments/imagenet/cvt/cvt-13-224x224.yaml, whose
# rate of 0.00025 is multiplied by its 8 GPUs. DeiT's, but for mixed precision,
# each image once, and batches of 2048 (arXiv:2103.15808, Section 4.1). Levels
# of CvT have no norm.
_base_ = './deit_8xb128-300e_in1k.py'

model = dict(neck=dict(type='vitdense.NormedPooling'))
train_dataloader = dict(
    batch_size=256,
    sampler=dict(_delete_=True, type='DefaultSampler', shuffle=True),
)
optim_wrapper = dict(type='AmpOptimWrapper', optimizer=dict(lr=0.002))
auto_scale_lr = dict(base_batch_size=2048)
