# The stride-32 level is new: no published weights exist for it.
backbone = dict(
    type='vitdense.T2TViT',
    arch='12',
    init_cfg=dict(type='Pretrained', checkpoint='official'),
)
out_channels = [64, 64, 256, 256]
