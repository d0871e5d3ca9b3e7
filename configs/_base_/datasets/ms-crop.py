# The multi-scale and crop augmentation of DETR and Sparse R-CNN: one
# transform, which a data set's base takes out by `pop`.
__to_any_scale = dict(
    type='RandomChoiceResize',
    scales=[(short_px, 1333) for short_px in range(480, 801, 32)],
    keep_ratio=True,
)
ms_crop = dict(
    type='RandomChoice',
    transforms=[
        [__to_any_scale],
        [
            dict(
                type='RandomChoiceResize',
                scales=[(400, 1333), (500, 1333), (600, 1333)],
                keep_ratio=True,
            ),
            dict(
                type='RandomCrop',
                crop_type='absolute_range',
                crop_size=(384, 600),
                allow_negative_crop=True,
            ),
            __to_any_scale,
        ],
    ],
)
