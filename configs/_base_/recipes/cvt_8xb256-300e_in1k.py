# CvT's: DeiT's at twice the images and the rate, in mixed precision, each
# image once.
_base_ = './deit_8xb128-300e_in1k.py'

train_dataloader = dict(
    batch_size=256,
    sampler=dict(_delete_=True, type='DefaultSampler', shuffle=True),
)
optim_wrapper = dict(type='AmpOptimWrapper', optimizer=dict(lr=0.002))
auto_scale_lr = dict(base_batch_size=2048)
