backbone = dict(
    type='vitdense.Timm',
    arch='mobilenetv3_large_100',
    norm_eval=True,
    init_cfg=dict(type='Pretrained', checkpoint='official'),
)
out_channels = [24, 40, 112, 960]
