# The stride-32 level is new: no published weights exist for it.
backbone = dict(
    type='vitdense.T2TViT',
    arch='19',
    init_cfg=dict(type='Pretrained', checkpoint='official'),
)
out_channels = [64, 64, 448, 448]
