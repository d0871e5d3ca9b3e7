"""The device that a test runs on; tests name those that can run them."""

from collections.abc import Iterator

import pytest
import torch
from devices import Device


@pytest.fixture
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    """The device of the parameter, in use."""
    with request.param.entered() as entered:
        yield entered


@pytest.fixture(autouse=True)
def seed() -> None:
    """The same random inputs in every run."""
    torch.manual_seed(0)
