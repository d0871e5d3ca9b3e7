# The stride-32 level is new: no published weights exist for it.
backbone = dict(
    type='vitdense.T2TViT',
    arch='12',
    init_cfg=dict(
        type='Pretrained',
        checkpoint='https://github.com/yitu-opensource/T2T-ViT/releases/download/main/76.5_T2T_ViT_12.pth.tar',
    ),
)
out_channels = [64, 64, 256, 256]
