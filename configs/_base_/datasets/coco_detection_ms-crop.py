_base_ = ['./coco_detection.py', './ms-crop.py']

train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='vitdense.LoadImageFromFile'),
            dict(type='LoadAnnotations', with_bbox=True),
            dict(type='RandomFlip', prob=0.5),
            _base_.pop('ms_crop'),
            dict(type='PackDetInputs'),
        ]
    )
)
