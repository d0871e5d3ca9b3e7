"""The choice between Numba and PyTorch on the CPU."""

import functools
import importlib
import warnings
from types import ModuleType

from torch import Tensor


@functools.cache
def load_kernels() -> ModuleType | None:
    """The compiled loops, or None, with one warning, without Numba."""
    try:
        return importlib.import_module('vitdense.ops.kernels')
    except (ImportError, OSError) as error:
        warnings.warn(
            f'Numba does not load ({error}): detection runs on the CPU with '
            'slower operators; `pip install numba` brings the fast ones',
            stacklevel=2,
        )
        return None


def kernels_for(tensor: Tensor) -> ModuleType | None:
    """The compiled loops where they can take this tensor."""
    return load_kernels() if tensor.device.type == 'cpu' else None
