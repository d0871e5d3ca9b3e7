# No published weights.
backbone = dict(type='vitdense.T2TViT', arch='dense')
out_channels = [64, 64, 584, 584]
