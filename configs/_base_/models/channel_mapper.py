# Levels of 256 channels, normed by groups. Those a backbone lacks are strided
# convolutions of its last map. Bases take it out by `pop`.
channel_mapper = dict(
    type='mmdet.ChannelMapper',
    kernel_size=1,
    out_channels=256,
    act_cfg=None,
    norm_cfg=dict(type='GN', num_groups=32),
)
