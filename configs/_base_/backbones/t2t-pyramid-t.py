# No published weights.
backbone = dict(type='vitdense.T2TViT', arch='pyramid-t')
out_channels = [64, 128, 192, 320]
