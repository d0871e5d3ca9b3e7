backbone = dict(
    type='vitdense.ViT',
    arch='dinov2-b',
    init_cfg=dict(type='Pretrained', checkpoint='official'),
)
out_channels = [768, 768, 768, 768]
