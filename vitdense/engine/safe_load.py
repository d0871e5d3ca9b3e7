"""Loads checkpoints of mmengine without running what is pickled in them.

mmengine 0.10.7 cannot read its own checkpoints with torch 2.6 or newer, and
onedl-mmengine falls back to unpickling anything at all. Both look up their
loader by the path's prefix, so one registration serves both.
"""

from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader

# How mmengine's log history refers to its own ways of summing up.
HISTORY_METHODS = ('current', 'max', 'mean', 'min')


def history_method(owner: type, name: str) -> Callable[..., Any]:
    """Stand in for ``getattr`` in a pickle: methods of HistoryBuffer only.

    Raises:
        UnpicklingError: If anything else is asked for.
    """
    if owner is not HistoryBuffer or name not in HISTORY_METHODS:
        raise UnpicklingError(f'getattr({owner!r}, {name!r}) is not allowed')
    method: Callable[..., Any] = getattr(HistoryBuffer, name)
    return method


def allowed_globals() -> list[Any]:
    """What a checkpoint of mmengine may refer to, besides tensors."""
    core = np._core.multiarray  # type: ignore[attr-defined]
    numbers = [type(np.dtype(kind)) for kind in ('i4', 'i8', 'u4', 'f4', 'f8')]
    return [
        HistoryBuffer,
        (history_method, 'builtins.getattr'),
        np.ndarray,
        np.dtype,
        *numbers,
        *(
            (getattr(core, name), f'numpy.{package}.multiarray.{name}')
            for package in ('core', '_core')
            for name in ('_reconstruct', 'scalar')
        ),
    ]


def load_from_local(
    filename: str, map_location: str | torch.device | None = None
) -> dict[str, Any]:
    """Read a checkpoint file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no checkpoint, or holds more than data.
    """
    try:
        with torch.serialization.safe_globals(allowed_globals()):
            checkpoint: dict[str, Any] = torch.load(
                filename, map_location=map_location, weights_only=True
            )
    except FileNotFoundError:
        raise FileNotFoundError(f'no checkpoint at {filename!r}') from None
    except (UnpicklingError, EOFError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f'{filename!r} cannot be loaded as a checkpoint: {reason}'
        ) from error
    if not isinstance(checkpoint, dict):
        raise ValueError(
            f'{filename!r} holds a {type(checkpoint).__name__}, '
            'not a checkpoint'
        )
    return checkpoint


def use_safe_loading() -> None:
    """Make mmengine read local checkpoints with ``load_from_local``."""
    CheckpointLoader.register_scheme('', load_from_local, force=True)
