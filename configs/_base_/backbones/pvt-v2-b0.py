backbone = dict(
    type='vitdense.PVT',
    arch='v2-b0',
    drop_path_rate=0.1,
    init_cfg=dict(
        type='Pretrained',
        checkpoint='https://github.com/whai362/PVT/releases/download/v2/pvt_v2_b0.pth',
    ),
)
out_channels = [32, 64, 160, 256]
