backbone = dict(
    type='vitdense.ViT',
    arch='dinov2-s',
    init_cfg=dict(type='Pretrained', checkpoint='official'),
)
out_channels = [384, 384, 384, 384]
