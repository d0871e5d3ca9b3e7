# The DINOv3 License asks for your own consent: 'official' says where to get
# the file, and then: --cfg-options model.backbone.init_cfg.checkpoint=FILE
backbone = dict(
    type='vitdense.ViT',
    arch='dinov3-b',
    init_cfg=dict(type='Pretrained', checkpoint='official'),
)
out_channels = [768, 768, 768, 768]
