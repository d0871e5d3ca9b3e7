# The cascade of Swin and PVT v2: a 4conv1fc head with SyncBN and a GIoU
# loss on decoded boxes in each of three stages.
_base_ = ['./mask-rcnn_fpn.py', './cascade_stages.py']

__box_head = _base_.model.roi_head.bbox_head
model = dict(
    type='CascadeRCNN',
    rpn_head=dict(
        loss_bbox=dict(
            _delete_=True,
            type='SmoothL1Loss',
            beta=1.0 / 9.0,
            loss_weight=1.0,
        )
    ),
    roi_head=dict(
        type='CascadeRoIHead',
        num_stages=3,
        stage_loss_weights=[1, 0.5, 0.25],
        bbox_head=[
            dict(
                __box_head,
                type='ConvFCBBoxHead',
                num_shared_convs=4,
                num_shared_fcs=1,
                conv_out_channels=256,
                bbox_coder=coder,
                reg_decoded_bbox=True,
                norm_cfg=dict(type='SyncBN', requires_grad=True),
                loss_bbox=dict(type='GIoULoss', loss_weight=10.0),
            )
            for coder in _base_.pop('cascade_coders')
        ],
    ),
    train_cfg=dict(
        rpn=dict(allowed_border=0),
        rpn_proposal=dict(max_per_img=2000),
        rcnn=_base_.pop('cascade_train_cfg'),
    ),
)
