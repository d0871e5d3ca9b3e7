# ViTDet's whole schedule: lower learning rates in early blocks. The rate is
# that of ViT-B; a larger backbone's config has its own. From detectron2's
# projects/ViTDet/configs/COCO/mask_rcnn_vitdet_b_100ep.py.
_base_ = './step_100e_vitdet.py'

optim_wrapper = dict(
    constructor='vitdense.LayerDecayOptimWrapperConstructor',
    paramwise_cfg=dict(_delete_=True, decay_rate=0.7),
)
