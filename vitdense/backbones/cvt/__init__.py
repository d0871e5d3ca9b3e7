"""Convolutional vision Transformer."""

from vitdense.backbones.cvt.model import CvT

__all__ = ['CvT']
