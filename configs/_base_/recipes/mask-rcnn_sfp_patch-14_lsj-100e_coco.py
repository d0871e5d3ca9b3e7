# For patches of 14 pixels: other strides, anchors of the same sizes.
_base_ = './mask-rcnn_sfp_lsj-100e_coco.py'

__strides = [3.5, 7, 14, 28, 56]
model = dict(
    neck=dict(in_stride=14),
    rpn_head=dict(
        anchor_generator=dict(
            strides=__strides, base_sizes=[4, 8, 16, 32, 64]
        ),
    ),
    roi_head=dict(
        bbox_roi_extractor=dict(featmap_strides=__strides[:4]),
        mask_roi_extractor=dict(featmap_strides=__strides[:4]),
    ),
)
