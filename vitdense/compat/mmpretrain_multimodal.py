"""Lets mmpretrain be imported beside transformers 5.

Its models of images and text are written for transformers 4, and fail at
import with newer ones; with them fail its classifiers, which need neither.
Its own switch, for where transformers is not installed, leaves them out.
"""

from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

from vitdense.compat.on_import import patch_module

MODULE = 'mmpretrain.utils.dependency'
FIRST_REFUSED = 5


def install() -> None:
    """Set the switch, now or when its module is imported."""
    patch_module(MODULE, _patch)


def _patch(module: ModuleType) -> None:
    try:
        major, *_ = version('transformers').split('.')
    except PackageNotFoundError:
        return
    if int(major) >= FIRST_REFUSED:
        module.__dict__['WITH_MULTIMODAL'] = False
