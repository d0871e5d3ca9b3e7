# For backbones that end at stride 16. RTMDet's neck makes no levels: that of
# stride 32 is made before it.
_base_ = ['./rtmdet_100e_coco.py', '../models/channel_mapper.py']

model = dict(
    backbone=dict(out_indices=(1, 2)),
    neck=[
        dict(_base_.pop('channel_mapper'), num_outs=3),
        dict(_base_.model.neck, in_channels=[256] * 3),
    ],
)
