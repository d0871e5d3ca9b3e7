# No published weights.
backbone = dict(type='vitdense.T2TViT', arch='16-ghost')
out_channels = [64, 64, 384, 384]
