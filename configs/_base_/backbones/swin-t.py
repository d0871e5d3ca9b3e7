backbone = dict(
    type='vitdense.Timm',
    arch='swin_tiny_patch4_window7_224',
    init_cfg=dict(type='Pretrained', checkpoint='official'),
)
out_channels = [96, 192, 384, 768]
