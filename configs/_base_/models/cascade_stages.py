# What a cascade's three stages differ in: how closely boxes are held to lie,
# and the overlap that makes a box an object's. Bases take it out by `pop`.
_base_ = './mask-rcnn_fpn.py'

__mask_rcnn = _base_.pop('model')
__coder = __mask_rcnn.roi_head.bbox_head.bbox_coder
__rcnn = __mask_rcnn.train_cfg.rcnn
cascade_coders = [
    dict(__coder, target_stds=stds)
    for stds in (
        [0.1, 0.1, 0.2, 0.2],
        [0.05, 0.05, 0.1, 0.1],
        [0.033, 0.033, 0.067, 0.067],
    )
]
cascade_train_cfg = [
    dict(
        __rcnn,
        assigner=dict(
            __rcnn.assigner,
            pos_iou_thr=iou,
            neg_iou_thr=iou,
            min_pos_iou=iou,
            match_low_quality=False,
        ),
    )
    for iou in (0.5, 0.6, 0.7)
]
