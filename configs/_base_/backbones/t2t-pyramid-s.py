# No published weights.
backbone = dict(type='vitdense.T2TViT', arch='pyramid-s')
out_channels = [64, 128, 256, 384]
