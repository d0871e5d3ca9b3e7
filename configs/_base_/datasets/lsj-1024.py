# Large-scale jittering: 0.1 to 2 times the image in a square of 1024 pixels,
# which a data set's base takes out by `pop`.
lsj = [
    dict(
        type='RandomResize',
        scale=(1024, 1024),
        ratio_range=(0.1, 2.0),
        keep_ratio=True,
    ),
    dict(
        type='RandomCrop',
        crop_type='absolute_range',
        crop_size=(1024, 1024),
        recompute_bbox=True,
        allow_negative_crop=True,
    ),
]
