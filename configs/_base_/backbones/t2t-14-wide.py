# No published weights.
backbone = dict(type='vitdense.T2TViT', arch='14-wide')
out_channels = [64, 64, 768, 768]
