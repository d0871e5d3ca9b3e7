backbone = dict(
    type='vitdense.Timm',
    arch='resnet50',
    norm_eval=True,
    init_cfg=dict(type='Pretrained', checkpoint='official'),
)
out_channels = [256, 512, 1024, 2048]
