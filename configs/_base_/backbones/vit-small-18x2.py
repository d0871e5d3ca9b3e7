# No published weights.
backbone = dict(type='vitdense.ViT', arch='small-18x2')
out_channels = [384, 384, 384, 384]
