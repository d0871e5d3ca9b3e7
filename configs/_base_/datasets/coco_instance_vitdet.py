# Large-scale jittering, tested with the longer side at 1024 pixels.
_base_ = './coco_instance_lsj-1024.py'

val_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='Resize', scale=(1024, 1024), keep_ratio=True),
            dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
            dict(type='PackDetInputs'),
        ]
    )
)
test_dataloader = val_dataloader
