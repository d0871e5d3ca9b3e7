"""The backbones, registered in ``vitdense.registry.MODELS``."""

from vitdense.backbones.pvt import PVT
from vitdense.backbones.t2t import T2TViT

__all__ = ['PVT', 'T2TViT']
