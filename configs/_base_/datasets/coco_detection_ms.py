# Shorter sides of 640 to 800 pixels in training.
_base_ = './coco_detection.py'

train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='vitdense.LoadImageFromFile'),
            dict(type='LoadAnnotations', with_bbox=True),
            dict(
                type='RandomChoiceResize',
                scales=[(1333, short_px) for short_px in range(640, 801, 32)],
                keep_ratio=True,
            ),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackDetInputs'),
        ]
    )
)
