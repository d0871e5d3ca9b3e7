"""The backbones, registered in ``vitdense.registry.MODELS``."""

from vitdense.backbones.cvt import CvT
from vitdense.backbones.pvt import PVT
from vitdense.backbones.t2t import T2TViT

__all__ = ['PVT', 'CvT', 'T2TViT']
