"""Pyramid Vision Transformer, v1 and v2."""

from vitdense.backbones.pvt.model import PVT

__all__ = ['PVT']
