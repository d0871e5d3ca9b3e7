backbone = dict(
    type='vitdense.Timm',
    arch='mobilenetv2_100',
    norm_eval=True,
    init_cfg=dict(type='Pretrained', checkpoint='official'),
)
out_channels = [24, 32, 96, 320]
