"""Fixtures shared by all tests."""

import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
import torch
from golden import official_state_dict

import vitdense  # noqa: F401 - first: it stands in for mmcv's operators

SHARED = Path(__file__).resolve().parents[2] / 'shared'


@pytest.hookimpl(trylast=True)  # after `-m` has chosen
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Ends in one line where tests marked gpu are asked for in vain."""
    asked = any(item.get_closest_marker('gpu') for item in items)
    if asked and not torch.cuda.is_available():
        raise pytest.UsageError(
            'tests marked gpu were asked for, but PyTorch '
            f'{torch.__version__} sees no CUDA device here'
        )


@pytest.fixture(scope='session')
def shared() -> Path:
    """Folder of real pictures that lies beside a checkout.

    Absent on a user's machine, where its tests are skipped; in CI its
    absence is a failure, so that no check is ever skipped unseen.
    """
    if not SHARED.is_dir():
        message = f'real pictures are not at {SHARED}'
        if os.environ.get('CI'):
            pytest.fail(message)
        pytest.skip(message)
    return SHARED


@pytest.fixture(scope='session')
def official_file(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], str]:
    """Gives the path of an official checkpoint, such as 'pvt_tiny'.

    It holds the documented weights (see ``tests/data/README.md``) and is
    written when it is first asked for.
    """
    folder = tmp_path_factory.mktemp('official')

    @cache
    def written(name: str) -> str:
        path = folder / f'{name}.pth'
        torch.save(official_state_dict(name), path)
        return str(path)

    return written


@pytest.fixture
def nothing_compiled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[None]:
    """Starts without compiled graphs: not in memory, nor those on disk."""
    monkeypatch.setenv('TORCHINDUCTOR_CACHE_DIR', str(tmp_path))
    torch.compiler.reset()
    torch._dynamo.utils.counters.clear()
    yield
    torch.compiler.reset()
