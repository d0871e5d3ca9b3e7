"""Checkpoints in a folder, to which every process writes what it has.

The folder has the name that a file would have, and is taken wherever one is:
what is read from it is what a file would hold. In it are the tensors that
processes have in parts, as ``torch.distributed.checkpoint`` writes them, all
the rest in one file, and a list of digests that ``sha256sum -c`` takes.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.utils import digit_version

from .errors import CheckpointError
from .reading.digest import digest_file

REST = 'rest.pth'
DIGESTS = 'files.sha256'
SEPARATOR = '/'
LEAST_PYTORCH = '2.7'


def check_pytorch(what: str) -> None:
    """See that PyTorch can do it.

    Raises:
        CheckpointError: If it is too old.
    """
    if digit_version(torch.__version__) < digit_version(LEAST_PYTORCH):
        raise CheckpointError(
            f'{what} needs PyTorch {LEAST_PYTORCH} or newer; this is '
            f'{torch.__version__}'
        )


def is_sharded_checkpoint(path: Path) -> bool:
    """Whether a path is such a folder."""
    return (path / REST).is_file()


def is_checkpoint(path: Path) -> bool:
    """Whether a path may be one: a file, or such a folder."""
    return path.is_file() or is_sharded_checkpoint(path)


def digest_checkpoint(path: Path) -> str:
    """SHA-256 of a file, or of the digests of such a folder."""
    return digest_file(path / DIGESTS if path.is_dir() else path)


def sharded_tensors(
    content: Mapping[Any, Any], place: str = ''
) -> Iterator[tuple[str, Any]]:
    """The tensors of which each process has a part, by their place."""
    for key, value in content.items():
        if is_sharded_tensor(value):
            yield f'{place}{key}', value
        elif isinstance(value, Mapping):
            yield from sharded_tensors(value, f'{place}{key}{SEPARATOR}')


def without_sharded(content: Any) -> Any:
    """The same with None in their places; the content is not changed."""
    if is_sharded_tensor(content):
        return None
    if isinstance(content, dict):
        return {key: without_sharded(each) for key, each in content.items()}
    return content


def is_sharded_tensor(value: Any) -> bool:
    """Whether each process has a part of it."""
    return isinstance(value, torch.Tensor) and hasattr(value, 'to_local')


def write_digests(folder: Path) -> None:
    """Write the list of a folder's files, each with its digest."""
    lines = [f'{digest_file(path)}  {path.name}' for path in folder.iterdir()]
    Path(folder, DIGESTS).write_text('\n'.join(sorted(lines)) + '\n')


def check_digests(folder: Path) -> None:
    """See that a folder's files are there and whole.

    Raises:
        CheckpointError: If one is not.
    """
    listed = folder / DIGESTS
    if not listed.is_file():
        raise CheckpointError(f'{folder} is damaged: it has no {DIGESTS}')
    try:
        lines = listed.read_text().splitlines()
    except UnicodeDecodeError as error:
        raise CheckpointError(f'{listed} is damaged: {error}') from error
    pairs = [line.partition('  ')[::2] for line in lines]
    names = {name for _, name in pairs}
    unlisted = {path.name for path in folder.iterdir()} - names - {DIGESTS}
    if REST not in names or unlisted:
        raise CheckpointError(f'{listed} is damaged: it lists {sorted(names)}')
    for stated, name in pairs:
        path = folder / name
        if not path.is_file():
            raise CheckpointError(f'{folder} is damaged: it has no {name}')
        if digest_file(path) != stated:
            raise CheckpointError(
                f'{path} is damaged: it has another sha256 than {DIGESTS} '
                'states'
            )
