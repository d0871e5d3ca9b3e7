"""Repairs mmdet and mmseg where they were imported before vitdense.

Without compiled operators onedl's releases still import, and bind a stub,
None or nothing wherever an import of an operator failed. With the stand-in in
place those imports succeed, so they are repeated.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

# In this order: mmdet imports one operator through mmcv.cnn.
_LIBRARIES = ('mmcv', 'mmdet', 'mmseg')


def install() -> None:
    """Repeats failed imports of operators in the libraries' modules.

    Raises:
        ImportError: One of them cannot be repaired any more.
    """
    if 'mmcv.ops' in sys.modules:  # nothing has failed
        return
    replaced = []
    for module in _loaded():
        for imports in _guarded_imports(module):
            replaced += _repeat(module, imports)
    for stub, operator in replaced:
        if isinstance(stub, type) and stub.__subclasses__():
            _refuse(stub.__module__, f'a class derives from {stub.__name__}')
        for module in _loaded():
            for name, value in vars(module).items():
                if value is stub:
                    setattr(module, name, operator)


def _loaded() -> list[ModuleType]:
    """The libraries' modules that are imported."""
    return [
        module
        for library in _LIBRARIES
        for name, module in list(sys.modules.items())
        if name.partition('.')[0] == library
    ]


def _guarded_imports(module: ModuleType) -> Iterator[ast.Module]:
    """Bodies of the ``try`` statements that import from mmcv."""
    source = Path(getattr(module, '__file__', None) or '')
    text = source.read_text('utf-8') if source.suffix == '.py' else ''
    if '    from mmcv.' not in text:
        return
    for node in ast.parse(text).body:
        if isinstance(node, ast.Try) and any(
            isinstance(statement, ast.ImportFrom)
            and (statement.module or '').startswith('mmcv.')
            for statement in node.body
        ):
            yield ast.Module(node.body, [])


def _repeat(
    module: ModuleType, imports: ast.Module
) -> list[tuple[object, object]]:
    """Runs import statements in a module; old and new of what they bind."""
    before = dict(vars(module))
    try:
        exec(  # noqa: S102 - the module's own statements, once more
            compile(imports, str(module.__file__), 'exec'), vars(module)
        )
    except ImportError as error:
        _refuse(module.__name__, str(error))
    return [
        (old, vars(module)[name])
        for name, old in before.items()
        if old is not None and old is not vars(module)[name]
    ]


def _refuse(name: str, reason: str) -> None:
    raise ImportError(
        f'{name} was imported before vitdense, without the operators of mmcv, '
        f'and cannot be repaired ({reason}): import vitdense before mmdet '
        'and mmseg'
    )
