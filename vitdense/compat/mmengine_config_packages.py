"""Configs to inherit from: ``_base_ = 'vitdense::...'``, ``'mmseg::...'``."""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from mmengine.config import config
from mmengine.config.utils import MODULE2PACKAGE

PACKAGE = 'vitdense'

_installed_path = config.get_installed_path


def _get_installed_path(package: str) -> str:
    """Folder of a package; ours is known, however it was installed.

    mmengine 0.10.7 looks for an editable install in site-packages, where it
    is not.
    """
    if package == PACKAGE:
        return str(Path(__file__).parents[1])
    return str(_installed_path(package))


def install() -> None:
    """Enter our configs into mmengine's table of packages; and mmseg by its
    module, where it is not installed as ``mmsegmentation``."""
    MODULE2PACKAGE[PACKAGE] = PACKAGE
    try:
        distribution('mmsegmentation')
    except PackageNotFoundError:
        MODULE2PACKAGE['mmseg'] = 'mmseg'
    config.get_installed_path = _get_installed_path
