# ViTDet's whole schedule: lower learning rates in early blocks. The rate is
# that of ViT-B; a larger backbone's config has its own.
_base_ = './step_100e_vitdet.py'

optim_wrapper = dict(
    constructor='vitdense.LayerDecayOptimWrapperConstructor',
    paramwise_cfg=dict(_delete_=True, decay_rate=0.7),
)
