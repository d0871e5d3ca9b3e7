"""Official files, written once; their names, matched once."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from golden import official_state_dict
from torch import Tensor

Weights = dict[str, Tensor]


@pytest.fixture(scope='session')
def official_weights(shared: Path) -> Callable[[str], Weights]:
    """The weights of an official file, by name; drawn once."""
    draw = cache(lambda name: official_state_dict(shared, name))
    return lambda name: dict(draw(name))


@pytest.fixture(scope='session')
def official_file(
    official_weights: Callable[[str], Weights],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], str]:
    """An official file as it is published, by name; written once."""
    folder = tmp_path_factory.mktemp('official')

    @cache
    def write(name: str) -> str:
        path = folder / f'{name}.pth'
        torch.save(official_weights(name), path)
        return str(path)

    return write
