backbone = dict(
    type='vitdense.PVT',
    arch='small',
    drop_path_rate=0.1,
    init_cfg=dict(
        type='Pretrained',
        checkpoint='https://github.com/whai362/PVT/releases/download/v2/pvt_small.pth',
    ),
)
out_channels = [64, 128, 320, 512]
