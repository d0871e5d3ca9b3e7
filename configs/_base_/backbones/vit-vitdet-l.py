# ViT-L in windows, with the weights of MAE.
backbone = dict(
    type='vitdense.ViT',
    arch='vitdet-l',
    init_cfg=dict(type='Pretrained', checkpoint='official'),
)
out_channels = [1024, 1024, 1024, 1024]
