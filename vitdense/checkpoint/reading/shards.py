"""Checkpoints in several files, as transformers writes large ones.

Beside the files lies an index, in JSON, whose ``weight_map`` has the name of
the file of each tensor. What is read is what one file would hold.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..errors import CheckpointError

SUFFIX = '.index.json'
# in a folder of transformers, the first that is there
NAMES = ('model.safetensors', 'pytorch_model.bin')


def in_folder(path: Path) -> Path:
    """The index or file in a folder of transformers; else the path itself."""
    for name in NAMES:
        for each in (path / name, path / f'{name}{SUFFIX}'):
            if each.is_file():
                return each
    return path


def is_index(path: Path) -> bool:
    """Whether a path is such an index, by its name."""
    return path.name.endswith(SUFFIX)


def files_of(path: Path) -> list[Path]:
    """The files that hold a checkpoint's tensors.

    Raises:
        CheckpointError: If it is an index that cannot be read.
    """
    if not is_index(path):
        return [path]
    return [path.with_name(name) for name in sorted({*_files(path).values()})]


def read_shards(
    index: Path, read: Callable[[Path], Mapping[str, Any]]
) -> dict[str, Any]:
    """Read all files of an index; their tensors by name.

    Args:
        index: The index.
        read: Reads one of the files.

    Raises:
        CheckpointError: If the index or a file cannot be read, or they do
            not agree.
    """
    found: dict[str, Any] = {}
    stated = _files(index)
    for path in files_of(index):
        held = read(path)
        due = {name for name, file in stated.items() if file == path.name}
        odd = sorted(due ^ held.keys())
        if odd:
            where = 'lacks' if odd[0] in due else 'has, unlike the index,'
            raise CheckpointError(
                f'{index}: {path.name} {where} {odd[0]}'
                + (f' and {len(odd) - 1} others' if odd[1:] else '')
            )
        found.update(held)
    return found


def _files(index: Path) -> dict[str, str]:
    """The name of the file of each tensor."""
    try:
        content = json.loads(index.read_text())
    except OSError as error:
        raise CheckpointError(f'{index}: {error.strerror}') from error
    except ValueError as error:
        raise CheckpointError(f'{index} is no JSON: {error}') from error
    stated = content.get('weight_map') if isinstance(content, dict) else None
    if not isinstance(stated, dict) or not stated:
        raise CheckpointError(
            f'{index} has no weight_map with the file of each tensor'
        )
    for name, file in stated.items():
        if not isinstance(file, str) or Path(file).name != file:
            raise CheckpointError(
                f'{index}: weight_map has {file!r} for {name}; it must be '
                'the name of a file beside it'
            )
    return stated
