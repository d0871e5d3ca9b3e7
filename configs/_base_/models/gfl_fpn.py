# ATSS's anchors and assignment; quality is in the class scores, and boxes
# are distributions over 17 distances.
_base_ = './atss_fpn.py'

__head = _base_.model.bbox_head
model = dict(
    type='GFL',
    bbox_head=dict(
        _delete_=True,
        type='GFLHead',
        num_classes=80,
        in_channels=256,
        stacked_convs=4,
        feat_channels=256,
        anchor_generator=__head.anchor_generator,
        loss_cls=dict(
            type='QualityFocalLoss',
            use_sigmoid=True,
            beta=2.0,
            loss_weight=1.0,
        ),
        loss_dfl=dict(type='DistributionFocalLoss', loss_weight=0.25),
        reg_max=16,
        loss_bbox=__head.loss_bbox,
    ),
)
