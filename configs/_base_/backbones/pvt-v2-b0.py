backbone = dict(
    type='vitdense.PVT',
    arch='v2-b0',
    init_cfg=dict(type='Pretrained', checkpoint='official'),
)
out_channels = [32, 64, 160, 256]
