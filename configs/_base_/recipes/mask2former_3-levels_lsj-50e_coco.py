# For backbones that end at stride 16. The head attends to three levels, and
# without stride 32 the finest would be one of them, at four times the tokens.
_base_ = ['./mask2former_lsj-50e_coco.py', '../models/channel_mapper.py']

model = dict(
    neck=dict(_base_.pop('channel_mapper'), num_outs=4),
    panoptic_head=dict(in_channels=[256] * 4),
)
