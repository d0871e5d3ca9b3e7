# The stride-32 level is new: no published weights exist for it.
backbone = dict(
    type='vitdense.T2TViT',
    arch='10',
    init_cfg=dict(
        type='Pretrained',
        checkpoint='https://github.com/yitu-opensource/T2T-ViT/releases/download/main/75.2_T2T_ViT_10.pth.tar',
    ),
)
out_channels = [64, 64, 256, 256]
