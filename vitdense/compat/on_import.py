"""Patches a module once it has run: ``import vitdense`` stays cheap."""

import sys
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

Patch = Callable[[ModuleType], None]


def patch_module(name: str, patch: Patch) -> None:
    """Patch a module now, or when it is imported; twice changes no more."""
    if name in sys.modules:
        patch(sys.modules[name])
    elif not any(
        isinstance(each, _PatchOnImport) and each.name == name
        for each in sys.meta_path
    ):
        sys.meta_path.insert(0, _PatchOnImport(name, patch))


class _PatchOnImport(MetaPathFinder):
    def __init__(self, name: str, patch: Patch) -> None:
        self.name = name
        self.patch = patch

    def find_spec(
        self, fullname: str, path: Any, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self.name:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def run_and_patch(module: ModuleType) -> None:
                run(module)
                self.patch(module)

            spec.loader.exec_module = run_and_patch  # type: ignore[method-assign]
        return spec
