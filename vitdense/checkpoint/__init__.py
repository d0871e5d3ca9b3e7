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
    from .report import LoadReport
    from .safe import install, set_pickle_trust
    from .zoo import PUBLISHED, official_url

__all__ = [
    'PUBLISHED',
    'CheckpointError',
    'LoadReport',
    'convert_checkpoint',
    'install',
    'load_backbone',
    'official_url',
    'set_pickle_trust',
]

_HOMES = {
    'PUBLISHED': 'zoo',
    'LoadReport': 'report',
    'convert_checkpoint': 'convert',
    'install': 'safe',
    'load_backbone': 'load',
    'official_url': 'zoo',
    'set_pickle_trust': 'safe',
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(f'{__name__}.{_HOMES[name]}'), name)
