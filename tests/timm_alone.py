"""timm and mmpretrain in an environment that has no torchvision."""

import importlib
import importlib.util
import sys
from typing import Any

from vitdense.benchmark.torchvision_stub import stand_in_for_torchvision


def import_timm() -> Any:
    """The module."""
    return _imported('timm')


def import_mmpretrain() -> None:
    """All that its registries look into."""
    for part in ('models', 'datasets', 'engine', 'evaluation'):
        _imported(f'mmpretrain.{part}')
    _imported('mmpretrain.visualization')


def _imported(name: str) -> Any:
    """A module; a stand-in answers for torchvision while it is imported."""
    if importlib.util.find_spec('torchvision') is None:
        finders = list(sys.meta_path)
        stand_in_for_torchvision()
        try:
            importlib.import_module(name)
        finally:
            # it would mislead all that is imported later
            sys.meta_path[:] = finders
            for each in list(sys.modules):
                if each.partition('.')[0] == 'torchvision':
                    del sys.modules[each]
    return importlib.import_module(name)
