# For patches of 14 pixels.
_base_ = './linear_8xb2-40k_ade20k-512x512.py'

model = dict(
    # 37 patches where crops have 36.6: maps cover the images exactly
    data_preprocessor=dict(size=(518, 518), test_cfg=dict(size_divisor=14)),
    test_cfg=dict(crop_size=(518, 518)),
)
