backbone = dict(
    type='vitdense.PVT',
    arch='medium',
    init_cfg=dict(type='Pretrained', checkpoint='official'),
)
out_channels = [64, 128, 320, 512]
