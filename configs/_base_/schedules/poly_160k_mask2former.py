# Mask2Former's for ADE20K: 160 000 iterations of 16 images.
_base_ = './step_50e_mask2former.py'

train_cfg = dict(max_iters=160000)
param_scheduler = [
    dict(
        type='PolyLR',
        eta_min=0.0,
        power=0.9,
        begin=0,
        end=160000,
        by_epoch=False,
    )
]
