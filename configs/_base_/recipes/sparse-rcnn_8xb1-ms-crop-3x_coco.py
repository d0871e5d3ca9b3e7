# 8 GPUs x 1 image, for the larger backbone.
_base_ = './sparse-rcnn_ms-crop-3x_coco.py'

train_dataloader = dict(batch_size=1)
optim_wrapper = dict(optimizer=dict(lr=0.000025 / 1.4))
auto_scale_lr = dict(base_batch_size=8)
