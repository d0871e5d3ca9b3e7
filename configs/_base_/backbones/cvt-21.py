# The official weights lie on OneDrive, behind no direct link. With the file
# at hand: --cfg-options model.backbone.init_cfg.type=Pretrained
# model.backbone.init_cfg.checkpoint=FILE
backbone = dict(type='vitdense.CvT', arch='21', norm_eval=True)
out_channels = [64, 192, 384]
