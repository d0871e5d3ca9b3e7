"""Fixtures of the operator tests."""

from importlib.metadata import PackageNotFoundError, version

import pytest
import torch
from golden import golden_arrays

from vitdense.ops import backend as backends


def _stack_has_numba() -> bool:
    """The default stack installs Numba, the upstream one does without."""
    try:
        return bool(version('onedl-mmcv'))
    except PackageNotFoundError:
        return False


@pytest.fixture(autouse=True)
def seed() -> None:
    """The same random inputs in every run."""
    torch.manual_seed(0)


@pytest.fixture(params=['numba', 'torch'] if _stack_has_numba() else ['torch'])
def backend(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> str:
    """Runs a test on each of the CPU's two implementations."""
    if request.param == 'numba':
        assert backends.load_kernels() is not None
    else:
        monkeypatch.setattr(backends, 'load_kernels', lambda: None)
    return request.param


@pytest.fixture(scope='session')
def golden() -> dict[str, torch.Tensor]:
    """Inputs and outputs of the compiled mmcv 2.3.6."""
    arrays = golden_arrays('mmcv_ops')
    return {name: torch.from_numpy(array) for name, array in arrays.items()}
