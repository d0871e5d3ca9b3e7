# The stride-32 level is new: no published weights exist for it.
backbone = dict(
    type='vitdense.T2TViT',
    arch='t-19',
    init_cfg=dict(
        type='Pretrained',
        checkpoint='https://github.com/yitu-opensource/T2T-ViT/releases/download/main/82.4_T2T_ViTt_19.pth.tar',
    ),
)
out_channels = [64, 64, 448, 448]
