# Shorter sides of 640 pixels instead of 800, in training and testing.
_base_ = './coco_detection.py'

__resize = dict(type='Resize', scale=(1066, 640), keep_ratio=True)
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='vitdense.LoadImageFromFile'),
            dict(type='LoadAnnotations', with_bbox=True),
            __resize,
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackDetInputs'),
        ]
    )
)
val_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='LoadImageFromFile'),
            __resize,
            dict(type='LoadAnnotations', with_bbox=True),
            dict(type='PackDetInputs'),
        ]
    )
)
test_dataloader = val_dataloader
