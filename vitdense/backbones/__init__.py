"""The backbones, registered in ``vitdense.registry.MODELS``."""

from vitdense.backbones.pvt import PVT

__all__ = ['PVT']
