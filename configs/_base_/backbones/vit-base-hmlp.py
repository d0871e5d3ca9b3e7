# The hMLP stem of arXiv:2203.09795 before ViT-B. No published weights.
backbone = dict(
    type='vitdense.ViT',
    arch=dict(dim=768, depth=12, heads=12, stem='hmlp', class_slot=False),
)
out_channels = [768, 768, 768, 768]
