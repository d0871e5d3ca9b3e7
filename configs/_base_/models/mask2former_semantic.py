# Mask2Former as a segmentor: mmseg's, with mmdet's parts.
_base_ = ['./encoder-decoder.py', './mask2former_head.py']

__classes = 150
model = dict(
    decode_head=dict(
        _base_.pop('mask2former_head'),
        num_classes=__classes,
        align_corners=False,
        loss_cls=dict(
            _base_.pop('mask2former_loss_cls'),
            class_weight=[1.0] * __classes + [0.1],
        ),
        train_cfg=_base_.pop('mask2former_train_cfg'),
    )
)
