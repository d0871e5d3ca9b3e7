"""Tokens-to-Token ViT as a pyramid."""

from vitdense.backbones.t2t.model import T2TViT

__all__ = ['T2TViT']
