"""Enters our configs where others inherit: ``_base_ = 'vitdense::...'``."""

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
    """Enter our configs into mmengine's table of packages."""
    MODULE2PACKAGE[PACKAGE] = PACKAGE
    config.get_installed_path = _get_installed_path
