# ViT-B in windows, with the weights of MAE.
backbone = dict(
    type='vitdense.ViT',
    arch='vitdet-b',
    init_cfg=dict(type='Pretrained', checkpoint='official'),
)
out_channels = [768, 768, 768, 768]
