# 8 GPUs x 1 image, for the largest backbones.
_base_ = './retinanet_1x_coco.py'

train_dataloader = dict(batch_size=1)
optim_wrapper = dict(optimizer=dict(lr=0.0001 / 1.4))
auto_scale_lr = dict(base_batch_size=8)
