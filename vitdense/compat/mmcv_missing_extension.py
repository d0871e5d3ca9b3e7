"""Makes ``mmcv._ext`` importable where mmcv came without it.

``vitdense/ops/extension.py`` stands in for it.
"""

import importlib.util
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

NAME = 'mmcv._ext'


class StandInFinder:
    """Last in ``sys.meta_path``, so a compiled ``mmcv._ext`` always wins."""

    @staticmethod
    def find_spec(
        name: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """The stand-in's spec for ``mmcv._ext``, nothing for other names."""
        del path, target
        if name != NAME:
            return None
        source = Path(__file__).parents[1] / 'ops' / 'extension.py'
        return importlib.util.spec_from_file_location(NAME, source)


def install() -> None:
    """Appends the finder, once."""
    if StandInFinder not in sys.meta_path:
        sys.meta_path.append(StandInFinder)
