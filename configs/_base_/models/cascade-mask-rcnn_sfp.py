# ViTDet's cascade: heads of boxes in three stages, one box for all classes, as
# in cascade_mask_rcnn_vitdet_b_100ep.py beside Mask R-CNN's in detectron2.
# As mmdet has it, every stage has a head of masks too, and later ones weigh
# less; detectron2 has one, weighs stages alike, and hands a third of their
# gradients to the pyramid.
_base_ = ['./mask-rcnn_sfp.py', './cascade_stages.py']

__box_head = _base_.model.roi_head.bbox_head
model = dict(
    type='CascadeRCNN',
    roi_head=dict(
        type='CascadeRoIHead',
        num_stages=3,
        stage_loss_weights=[1, 0.5, 0.25],
        bbox_head=[
            dict(__box_head, bbox_coder=coder, reg_class_agnostic=True)
            for coder in _base_.pop('cascade_coders')
        ],
    ),
    train_cfg=dict(rcnn=_base_.pop('cascade_train_cfg')),
)
