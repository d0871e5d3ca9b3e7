_base_ = './ade20k_512x512.py'

__data_root = 'data/shapes/'

train_dataloader = dict(
    batch_size=8,
    num_workers=2,
    dataset=dict(
        type='vitdense.ShapesSegments',
        data_root=__data_root,
        data_prefix=dict(
            img_path='ade20k/images/training',
            seg_map_path='ade20k/annotations/training',
        ),
        reduce_zero_label=True,
        pipeline=[
            dict(type='vitdense.LoadImageFromFile'),
            dict(type='LoadAnnotations', reduce_zero_label=True),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackSegInputs'),
        ],
    ),
)
val_dataloader = dict(
    batch_size=8,
    num_workers=2,
    dataset=dict(
        type='vitdense.ShapesSegments',
        data_root=__data_root,
        data_prefix=dict(
            img_path='ade20k/images/validation',
            seg_map_path='ade20k/annotations/validation',
        ),
        reduce_zero_label=True,
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations', reduce_zero_label=True),
            dict(type='PackSegInputs'),
        ],
    ),
)
test_dataloader = val_dataloader
# where mmseg.apis.inference_model looks for it
test_pipeline = val_dataloader['dataset']['pipeline']
