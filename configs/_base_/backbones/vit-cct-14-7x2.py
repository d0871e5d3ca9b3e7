backbone = dict(
    type='vitdense.ViT',
    arch='cct-14-7x2',
    init_cfg=dict(type='Pretrained', checkpoint='official'),
)
out_channels = [384, 384, 384, 384]
