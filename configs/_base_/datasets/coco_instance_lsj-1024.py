_base_ = ['./coco_instance.py', './lsj-1024.py']

train_dataloader = dict(
    # crops are square, whatever the shape of the picture
    batch_sampler=None,
    dataset=dict(
        pipeline=[
            dict(type='vitdense.LoadImageFromFile'),
            dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
            dict(type='RandomFlip', prob=0.5),
            *_base_.pop('lsj'),
            # a crop may cut an object to nothing
            dict(
                type='FilterAnnotations',
                min_gt_bbox_wh=(1e-2, 1e-2),
                by_mask=True,
            ),
            dict(type='PackDetInputs'),
        ]
    ),
)
