_base_ = './coco_instance.py'

__data_root = 'data/shapes/'

train_dataloader = dict(
    batch_size=8,
    dataset=dict(
        type='vitdense.ShapesInstances',
        data_root=__data_root,
        ann_file='coco/annotations/instances_train2017.json',
        data_prefix=dict(img='coco/train2017/'),
        filter_cfg=dict(min_size=0),
        pipeline=[
            dict(type='vitdense.LoadImageFromFile'),
            dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackDetInputs'),
        ],
    ),
)
val_dataloader = dict(
    batch_size=8,
    dataset=dict(
        type='vitdense.ShapesInstances',
        data_root=__data_root,
        ann_file='coco/annotations/instances_val2017.json',
        data_prefix=dict(img='coco/val2017/'),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='Resize', scale=(128, 128), keep_ratio=True),
            dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
            dict(type='PackDetInputs'),
        ],
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(
    ann_file=__data_root + 'coco/annotations/instances_val2017.json'
)
test_evaluator = val_evaluator
