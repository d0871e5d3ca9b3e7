_base_ = './mask-rcnn_vit-mini_sfp_shapes.py'

model = dict(
    # convolutions in place of patches, and CCT's blocks
    backbone=dict(
        arch=dict(
            stem='conv',
            blocks='cct',
            mlp_ratio=2,
            qkv_bias=False,
            class_token=False,
            class_slot=False,
            resize='bilinear',
            norm_eps=1e-5,
        ),
    ),
)
