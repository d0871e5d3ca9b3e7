"""timm in an environment that has no torchvision."""

import importlib.util
import sys
from typing import Any

from vitdense.benchmark.torchvision_stub import stand_in_for_torchvision


def import_timm() -> Any:
    """The module; a stand-in answers for torchvision while it is imported."""
    if importlib.util.find_spec('torchvision') is None:
        finders = list(sys.meta_path)
        stand_in_for_torchvision()
        try:
            import timm
        finally:
            # it would mislead all that is imported later
            sys.meta_path[:] = finders
            for name in list(sys.modules):
                if name.partition('.')[0] == 'torchvision':
                    del sys.modules[name]
    import timm

    return timm
