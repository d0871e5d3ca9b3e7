"""Backbones of timm, under the contract of ours."""

from vitdense.backbones.of_timm.model import Timm

__all__ = ['Timm']
