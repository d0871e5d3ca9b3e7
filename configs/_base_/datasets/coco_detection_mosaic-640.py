# RTMDet's: four pictures in one, jittered, and two mixed, at 640 pixels. Both
# keep pictures of earlier samples, so a resumed training is not exact. A
# recipe takes out by `pop` what the last epochs load, without mixing.
_base_ = './coco_detection.py'

__grey = dict(img=(114, 114, 114))
__meta = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')
__load = [
    dict(type='vitdense.LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
]
__crop = [
    dict(type='RandomCrop', crop_size=(640, 640)),
    dict(type='YOLOXHSVRandomAug'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='Pad', size=(640, 640), pad_val=__grey),
]
train_dataloader = dict(
    batch_size=32,
    num_workers=10,
    batch_sampler=None,
    dataset=dict(
        pipeline=[
            *__load,
            dict(type='CachedMosaic', img_scale=(640, 640), pad_val=114.0),
            dict(
                type='RandomResize',
                scale=(1280, 1280),
                ratio_range=(0.1, 2.0),
                keep_ratio=True,
            ),
            *__crop,
            dict(
                type='CachedMixUp',
                img_scale=(640, 640),
                ratio_range=(1.0, 1.0),
                max_cached_images=20,
                pad_val=(114, 114, 114),
            ),
            dict(type='PackDetInputs'),
        ]
    ),
)
unmixed_pipeline = [
    *__load,
    dict(
        type='RandomResize',
        scale=(640, 640),
        ratio_range=(0.1, 2.0),
        keep_ratio=True,
    ),
    *__crop,
    dict(type='PackDetInputs'),
]
val_dataloader = dict(
    batch_size=5,
    num_workers=10,
    dataset=dict(
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='Resize', scale=(640, 640), keep_ratio=True),
            dict(type='Pad', size=(640, 640), pad_val=__grey),
            dict(type='LoadAnnotations', with_bbox=True),
            dict(type='PackDetInputs', meta_keys=__meta),
        ]
    ),
)
test_dataloader = val_dataloader
