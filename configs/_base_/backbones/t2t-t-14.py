# The stride-32 level is new: no published weights exist for it.
backbone = dict(
    type='vitdense.T2TViT',
    arch='t-14',
    init_cfg=dict(
        type='Pretrained',
        checkpoint='https://github.com/yitu-opensource/T2T-ViT/releases/download/main/81.7_T2T_ViTt_14.pth.tar',
    ),
)
out_channels = [64, 64, 384, 384]
