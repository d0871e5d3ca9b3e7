"""Makes mmengine read checkpoints by ``vitdense.checkpoint``, safely.

``--resume``, ``tools/test.py``, ``init_detector`` and the inferencers all
read files by ``mmengine.runner.checkpoint``. Upstream's calls ``torch.load``
as it is, which cannot read mmengine's own files since torch 2.6; onedl's
falls back to a load that runs whatever a pickle holds.
"""

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from vitdense.compat.on_import import patch_module

MODULE = 'mmengine.runner.checkpoint'


def install() -> None:
    """Put the safe reader into mmengine, now or when it is imported."""
    patch_module(MODULE, _patch)


def _patch(module: ModuleType) -> None:
    register = module.CheckpointLoader.register_scheme
    register(prefixes='', loader=load_from_local, force=True)
    register(
        prefixes=('http://', 'https://'), loader=load_from_http, force=True
    )
    # what the schemes of model zoos and object stores go through
    module.__dict__.update(
        load_from_local=load_from_local,
        load_from_http=load_from_http,
        _safe_torch_load=_load,
    )
    names = _latest_by(module.find_latest_checkpoint)
    for name in (MODULE, 'mmengine.runner.runner', 'mmengine.runner'):
        if name in sys.modules:
            vars(sys.modules[name])['find_latest_checkpoint'] = names


def _latest_by(original: Callable[[str], str | None]) -> Callable[..., Any]:
    """mmengine's ``find_latest_checkpoint``, for names without a folder too.

    ``SafeCheckpointHook`` writes them relative to the work folder, so that it
    can be moved.
    """
    if hasattr(original, '__wrapped__'):
        return original

    @functools.wraps(original)
    def find_latest_checkpoint(path: str) -> str | None:
        found = original(path)
        if found is None or '://' in found:
            return found
        return str(Path(path, found))  # an absolute path stays what it is

    return find_latest_checkpoint


def load_from_local(filename: str, map_location: Any = None) -> Any:
    """Read a file, as mmengine's function of this name does, but safely.

    Raises:
        CheckpointError: If it cannot be read or holds code.
    """
    return _load(Path(filename).expanduser(), map_location)


def load_from_http(
    filename: str,
    map_location: Any = None,
    model_dir: str | None = None,
    progress: bool = False,
) -> Any:
    """Download a file whole and read it safely; see ``load_from_local``.

    Args:
        filename: The URL.
        map_location: As in ``torch.load``.
        model_dir: Taken for mmengine's callers; the file is kept in the
            cache of vitdense, where only whole files are.
        progress: Likewise taken, and not used.

    Raises:
        CheckpointError: If it cannot be had, read or holds code.
    """
    from vitdense.checkpoint.reading.source import locate

    return _load(locate(filename), map_location)


def _load(file: Any, map_location: Any = None) -> Any:
    from vitdense.checkpoint.reading.safe import read_file, read_pickle

    if hasattr(file, 'read'):
        return read_pickle(file, map_location)
    return read_file(Path(file), map_location)
