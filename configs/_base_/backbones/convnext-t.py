backbone = dict(
    type='vitdense.Timm',
    arch='convnext_tiny',
    init_cfg=dict(type='Pretrained', checkpoint='official'),
)
out_channels = [96, 192, 384, 768]
