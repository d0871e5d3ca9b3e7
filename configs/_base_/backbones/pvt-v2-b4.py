backbone = dict(
    type='vitdense.PVT',
    arch='v2-b4',
    init_cfg=dict(type='Pretrained', checkpoint='official'),
)
out_channels = [64, 128, 320, 512]
