"""Lets mmseg's ``DMHead`` read channels-last maps.

Its dynamic convolutions join images and channels by ``.view``, which wants
maps in contiguous memory. Ours, and those of any model that was moved to
channels-last, are not: such a map is copied, for this head alone.
"""

from types import ModuleType
from typing import Any

from vitdense.compat.on_import import patch_module

MODULE = 'mmseg.models.decode_heads.dm_head'


def install() -> None:
    """Change the module of the head, now or when it is imported."""
    patch_module(MODULE, _patch)


def _patch(module: ModuleType) -> None:
    forward = module.DCM.forward

    def forward_contiguous(self: Any, x: Any) -> Any:
        """(B, C, H, W) -> (B, C', H, W), from memory of any order."""
        return forward(self, x.contiguous())

    module.DCM.forward = forward_contiguous
