# Mask2Former for COCO's 80 things and 53 kinds of stuff.
_base_ = './mask2former.py'

__things, __stuff = 80, 53
__pad = _base_.model.data_preprocessor.batch_augments[0]
model = dict(
    data_preprocessor=dict(
        pad_seg=True,
        seg_pad_value=255,
        batch_augments=[dict(__pad, pad_seg=True, seg_pad_value=255)],
    ),
    panoptic_head=dict(
        num_things_classes=__things,
        num_stuff_classes=__stuff,
        loss_cls=dict(class_weight=[1.0] * (__things + __stuff) + [0.1]),
    ),
    panoptic_fusion_head=dict(
        num_things_classes=__things, num_stuff_classes=__stuff
    ),
    test_cfg=dict(panoptic_on=True),
)
