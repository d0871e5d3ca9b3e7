"""The random states of a process: Python's, NumPy's, PyTorch's."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

RandomState = dict[str, Any]


def random_state() -> RandomState:
    """All random states as plain data; nothing is drawn."""
    state: RandomState = {
        'python': random.getstate(),
        'numpy': np.random.get_state(),
        'torch': torch.get_rng_state(),
    }
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        state['cuda'] = torch.cuda.get_rng_state()
    return state


def set_random_state(state: RandomState) -> None:
    """Go on drawing from what `random_state` gave.

    A state of a GPU is left out where there is none.
    """
    random.setstate(state['python'])
    np.random.set_state(state['numpy'])
    torch.set_rng_state(state['torch'].cpu())
    if 'cuda' in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state['cuda'].cpu())


@contextmanager
def random_state_kept() -> Iterator[None]:
    """Undo all drawing of random numbers inside."""
    state = random_state()
    try:
        yield
    finally:
        set_random_state(state)
