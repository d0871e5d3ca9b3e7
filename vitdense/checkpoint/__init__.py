"""One strict, safe loader of checkpoints.

``import vitdense`` imports this package, so its parts, which need torch, are
imported when first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import CheckpointError

if TYPE_CHECKING:
    from .convert import convert_checkpoint
    from .load import load_backbone
    from .reading.safe import install, set_pickle_trust
    from .report import LoadReport

__all__ = [
    'CheckpointError',
    'LoadReport',
    'convert_checkpoint',
    'install',
    'load_backbone',
    'set_pickle_trust',
]

_HOMES = {
    'LoadReport': 'report',
    'convert_checkpoint': 'convert',
    'install': 'reading.safe',
    'load_backbone': 'load',
    'set_pickle_trust': 'reading.safe',
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(f'{__name__}.{_HOMES[name]}'), name)
