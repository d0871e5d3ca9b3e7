"""Lets timm and mmpretrain be imported without torchvision.

They import it for data and metrics; their models need nothing of it. Only for
processes that do nothing else: a benchmark's worker, a test's helper.
"""

import importlib.util
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


class _Anything(type):
    """Makes classes whose every attribute is another such class."""

    def __getattr__(cls, name: str) -> Any:
        return _placeholder(name)


def _placeholder(name: str) -> Any:
    if name.startswith('__'):
        raise AttributeError(name)
    return _Anything(name, (), {})


class _Finder(MetaPathFinder, Loader):
    def find_spec(
        self, fullname: str, path: Any = None, target: Any = None
    ) -> ModuleSpec | None:
        if fullname.partition('.')[0] != 'torchvision':
            return None
        return ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        vars(module)['__getattr__'] = _placeholder


def stand_in_for_torchvision() -> None:
    """Answers imports of torchvision in this process, if it is missing."""
    if importlib.util.find_spec('torchvision') is None:
        sys.meta_path.append(_Finder())
