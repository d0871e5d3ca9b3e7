"""Plain Vision Transformers: ViT, DINOv2, DINOv3, CCT."""

from vitdense.backbones.vit.model import ViT

__all__ = ['ViT']
