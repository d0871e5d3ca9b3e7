# Mask2Former for instances, on images padded to 1024 x 1024.
_base_ = ['./detector.py', './mask2former_head.py']

__things = 80
model = dict(
    type='Mask2Former',
    data_preprocessor=dict(
        pad_mask=True,
        mask_pad_value=0,
        pad_seg=False,
        batch_augments=[
            dict(
                type='BatchFixedSizePad',
                size=(1024, 1024),
                img_pad_value=0,
                pad_mask=True,
                mask_pad_value=0,
                pad_seg=False,
            )
        ],
    ),
    panoptic_head=dict(
        _base_.pop('mask2former_head'),
        num_things_classes=__things,
        num_stuff_classes=0,
        loss_cls=dict(
            _base_.pop('mask2former_loss_cls'),
            class_weight=[1.0] * __things + [0.1],
        ),
    ),
    panoptic_fusion_head=dict(
        type='MaskFormerFusionHead',
        num_things_classes=__things,
        num_stuff_classes=0,
        loss_panoptic=None,
        init_cfg=None,
    ),
    train_cfg=_base_.pop('mask2former_train_cfg'),
    test_cfg=dict(
        panoptic_on=False,
        semantic_on=False,
        instance_on=True,
        max_per_image=100,
        iou_thr=0.8,
        filter_low_score=True,
    ),
)
