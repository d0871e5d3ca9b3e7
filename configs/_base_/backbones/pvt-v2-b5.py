backbone = dict(
    type='vitdense.PVT',
    arch='v2-b5',
    drop_path_rate=0.1,
    init_cfg=dict(
        type='Pretrained',
        checkpoint='https://github.com/whai362/PVT/releases/download/v2/pvt_v2_b5.pth',
    ),
)
out_channels = [64, 128, 320, 512]
