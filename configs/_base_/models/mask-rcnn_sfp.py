# ViTDet's: a simple feature pyramid in place of FPN, two convolutions in the
# RPN, four in the heads of boxes and masks, normed over channels: detectron2's
# configs/common/models/mask_rcnn_vitdet.py.
_base_ = './mask-rcnn_fpn.py'

__norm = dict(type='vitdense.ChannelNorm', eps=1e-6)
model = dict(
    neck=dict(
        _delete_=True,
        type='vitdense.SimpleFeaturePyramid',
        out_channels=256,
        num_outs=5,
    ),
    rpn_head=dict(num_convs=2),
    roi_head=dict(
        bbox_head=dict(
            type='Shared4Conv1FCBBoxHead',
            conv_out_channels=256,
            norm_cfg=__norm,
        ),
        mask_head=dict(norm_cfg=__norm),
    ),
)
