# No published weights.
backbone = dict(type='vitdense.T2TViT', arch='14-se')
out_channels = [64, 64, 384, 384]
