"""Reads checkpoint files without running what they may contain.

A pickle is a program. It is read by ``torch.load(weights_only=True)``, which
calls nothing but what rebuilds tensors and what is listed here: the parts of
mmengine's own files (its ``HistoryBuffer`` and numpy scalars) and
``argparse.Namespace``, as training scripts save their options.
"""

import argparse
import pickle
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from ..errors import CheckpointError
from ..sharded import (
    REST,
    check_digests,
    check_pytorch,
    is_sharded_checkpoint,
)
from .digest import (
    CONTENT_SHA256,
    TENSORS_SHA256,
    digest_content,
    digest_tensors,
)
from .shards import is_index, read_shards

MapLocation = Any  # whatever torch.load takes
STATISTICS = ('min', 'max', 'current', 'mean')
NUMBER_TYPES = '?bBhHiIlLqQefdUS'

_HEAD_BYTES = 512
_ZIP = b'PK\x03\x04'
_PICKLE = b'\x80'
_GLOBAL = re.compile(r'GLOBAL (\S+)')

_trust_pickle = False


def set_pickle_trust(trust_pickle: bool = False) -> None:
    """Decide whether this process runs the code that pickles hold.

    It never does, unless told so here, as by the tools' ``--trust-pickle``.

    Args:
        trust_pickle: Whether to run it from now on. Only for files that you
            made yourself.
    """
    global _trust_pickle
    _trust_pickle = trust_pickle


install = set_pickle_trust  # its name in vitdense 0.1.0


def read_file(
    path: Path, map_location: MapLocation = 'cpu', *, mapped: bool = False
) -> Any:
    """Read a ``torch.save`` or safetensors file, told apart by content.

    Args:
        path: The file, an index of ``.shards``, or a folder of
            ``vitdense.checkpoint.sharded``.
        map_location: Where tensors go, as in ``torch.load``.
        mapped: Whether tensors stay in the file until they are looked at,
            as ``.mapped`` has it. What the file states of its content is
            not checked then.

    Raises:
        CheckpointError: If it is no such file, is damaged or holds code.
    """
    if is_sharded_checkpoint(path):
        check_pytorch(str(path))
        from .sharded import fill_in

        check_digests(path)
        return fill_in(read_pickle(path / REST, map_location), path)
    if is_index(path):
        return read_shards(
            path, lambda each: read_file(each, map_location, mapped=mapped)
        )
    if sniff(path) == 'pickle':
        return read_pickle(path, map_location, mapped=mapped)
    known = isinstance(map_location, str | torch.device)
    with _naming(path):
        tensors = load_file(path, str(map_location) if known else 'cpu')
    if not mapped:
        check_digest(path, tensors)
    return tensors


def check_digest(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Hold a safetensors file against the digest in its metadata, if any.

    Args:
        path: The file.
        tensors: What was read from it.

    Raises:
        CheckpointError: If it is damaged.
    """
    with _naming(path), safe_open(path, 'pt') as file:
        stated = (file.metadata() or {}).get(TENSORS_SHA256)
    if stated is not None and stated != digest_tensors(tensors):
        raise CheckpointError(
            f'{path} is damaged: its tensors have another sha256 than its '
            'metadata states'
        )


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except SafetensorError as error:
        raise CheckpointError(
            f'{path} is a damaged or truncated safetensors file: {error}'
        ) from error


def read_pickle(
    file: Path | IO[bytes],
    map_location: MapLocation = 'cpu',
    *,
    mapped: bool = False,
) -> Any:
    """Read what ``torch.save`` wrote.

    Args:
        file: The file, by name or open.
        map_location: Where tensors go, as in ``torch.load``.
        mapped: As in ``read_file``.

    Raises:
        CheckpointError: If it is damaged or, unless the process trusts
            pickles, holds code.
    """
    try:
        with _allowed(_mmengine_globals()):
            content = torch.load(
                file,
                map_location=map_location,
                weights_only=not _trust_pickle,
                mmap=mapped,
            )
    except pickle.UnpicklingError as error:
        raise CheckpointError(_refusal(file, error)) from error
    except MemoryError:
        raise
    except Exception as error:  # damaged bytes can raise anything here
        raise CheckpointError(
            f'{file} is damaged or truncated: {_first_line(error)}'
        ) from error
    checked = isinstance(content, dict) and CONTENT_SHA256 in content
    if checked and not mapped:
        stated = content[CONTENT_SHA256]
        rest = {k: v for k, v in content.items() if k != CONTENT_SHA256}
        if stated != digest_content(rest):
            raise CheckpointError(
                f'{file} is damaged: its content has another sha256 than it '
                'states'
            )
    return content


def sniff(path: Path) -> str:
    """Tell ``'safetensors'`` from ``'pickle'`` by the first bytes.

    Raises:
        CheckpointError: If the path is not a file or holds neither.
    """
    if not path.exists():
        raise CheckpointError(f'{path} does not exist')
    if path.is_dir():
        raise CheckpointError(f'{path} is a directory, not a checkpoint')
    with path.open('rb') as file:
        head = file.read(_HEAD_BYTES)
    if not head:
        raise CheckpointError(f'{path} is empty')
    if head.startswith((_ZIP, _PICKLE)):
        return 'pickle'
    if head[8:9] == b'{':
        return 'safetensors'
    raise CheckpointError(f'{path} is not a checkpoint but {_describe(head)}')


def _describe(head: bytes) -> str:
    if head.startswith(b'version https://git-lfs'):
        return 'a Git LFS pointer; fetch the file itself with git lfs pull'
    if head.lstrip()[:5].lower() in (b'<!doc', b'<html'):
        return 'a web page; the address needs a log-in or is not a file'
    text = head[:40].decode('ascii', errors='replace')
    if text.isprintable() or text.replace('\n', '').isprintable():
        return f'text: {text!r}'
    return f'a file that begins with {head[:8]!r}'


def _refusal(file: Path | IO[bytes], error: Exception) -> str:
    named = _GLOBAL.search(str(error))
    if named is None:
        return f'{file} is damaged or no weights: {_first_line(error)}'
    return (
        f'{file} is a pickle that asks for {named[1]}: reading it would run '
        'code, so it was not read. If you made the file yourself, '
        '--trust-pickle of the tools reads it all the same'
    )


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _statistic(owner: Any, name: Any) -> Any:
    """``getattr`` for what a pickled HistoryBuffer names, nothing else."""
    if owner is not HistoryBuffer or name not in STATISTICS:
        raise pickle.UnpicklingError(
            f'GLOBAL builtins.getattr({owner!r}, {name!r})'
        )
    return getattr(owner, name)


def _as(path: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function under another name, which is how torch's list knows it."""

    def named(*args: Any) -> Any:
        return function(*args)

    named.__module__, _, named.__name__ = path.rpartition('.')
    named.__qualname__ = named.__name__
    return named


def _mmengine_globals() -> list[Any]:
    rebuild: dict[str, Any] = {
        'scalar': np.float64(0).__reduce__()[0],
        '_reconstruct': np.array(0.0).__reduce__()[0],
    }
    # numpy 2 moved these; files written by either must be read by both
    moved = [
        _as(f'numpy.{core}.multiarray.{name}', function)
        for core in ('core', '_core')
        for name, function in rebuild.items()
    ]
    return [
        argparse.Namespace,
        HistoryBuffer,
        np.ndarray,
        np.dtype,
        *{type(np.dtype(code)) for code in NUMBER_TYPES},
        *moved,
        _as('builtins.getattr', _statistic),
    ]


@contextmanager
def _allowed(names: list[Any]) -> Iterator[None]:
    before = torch.serialization.get_safe_globals()
    torch.serialization.add_safe_globals(names)
    try:
        yield
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(before)
