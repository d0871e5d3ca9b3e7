backbone = dict(
    type='vitdense.ViT',
    arch='base',
    init_cfg=dict(type='Pretrained', checkpoint='official'),
)
out_channels = [768, 768, 768, 768]
