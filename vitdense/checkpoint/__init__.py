"""One strict, safe loader of checkpoints.

``import vitdense`` imports this package, so its parts, which need torch, are
imported when first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import CheckpointError
from .mmengine_hook import install

if TYPE_CHECKING:
    from .convert import convert_checkpoint
    from .load import load_backbone
    from .report import LoadReport

__all__ = [
    'CheckpointError',
    'LoadReport',
    'convert_checkpoint',
    'install',
    'load_backbone',
]

_HOMES = {
    'LoadReport': 'report',
    'convert_checkpoint': 'convert',
    'load_backbone': 'load',
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(f'{__name__}.{_HOMES[name]}'), name)
