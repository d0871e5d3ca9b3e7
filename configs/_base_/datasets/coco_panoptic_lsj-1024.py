# Scored by panopticapi, which has to be installed from its repository.
_base_ = ['./coco_detection.py', './lsj-1024.py']

__data_root = 'data/coco/'
train_dataloader = dict(
    batch_sampler=None,
    dataset=dict(
        type='CocoPanopticDataset',
        ann_file='annotations/panoptic_train2017.json',
        data_prefix=dict(seg='annotations/panoptic_train2017/'),
        pipeline=[
            dict(type='vitdense.LoadImageFromFile'),
            dict(
                type='LoadPanopticAnnotations',
                with_bbox=True,
                with_mask=True,
                with_seg=True,
            ),
            dict(type='RandomFlip', prob=0.5),
            *_base_.pop('lsj'),
            dict(type='PackDetInputs'),
        ],
    ),
)
val_dataloader = dict(
    dataset=dict(
        type='CocoPanopticDataset',
        ann_file='annotations/panoptic_val2017.json',
        data_prefix=dict(seg='annotations/panoptic_val2017/'),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='Resize', scale=(1333, 800), keep_ratio=True),
            dict(type='LoadPanopticAnnotations'),
            dict(type='PackDetInputs'),
        ],
    )
)
test_dataloader = val_dataloader

val_evaluator = [
    dict(
        type='CocoPanopticMetric',
        ann_file=__data_root + 'annotations/panoptic_val2017.json',
        seg_prefix=__data_root + 'annotations/panoptic_val2017/',
    ),
    dict(_base_.val_evaluator, metric=['bbox', 'segm']),
]
test_evaluator = val_evaluator
