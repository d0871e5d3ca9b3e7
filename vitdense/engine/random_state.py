"""The random numbers of Python, NumPy and PyTorch, together."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

RandomState = dict[str, Any]


def random_state() -> RandomState:
    """The states of all generators of this process, as plain data."""
    kind, keys, *rest = np.random.get_state(legacy=True)
    state: RandomState = {
        'python': random.getstate(),
        # as tensors and numbers, which checkpoints are read back as
        'numpy': (kind, torch.from_numpy(np.asarray(keys, np.int64)), *rest),
        'torch': torch.get_rng_state(),
    }
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        state['cuda'] = torch.cuda.get_rng_state()
    return state


def set_random_state(state: RandomState) -> None:
    """Go on from a state that ``random_state`` gave."""
    version, numbers, gauss = state['python']
    random.setstate((version, tuple(numbers), gauss))
    kind, keys, *rest = state['numpy']
    np.random.set_state((kind, keys.cpu().numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state['torch'].cpu())
    if 'cuda' in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state['cuda'].cpu())


def seed_random(*parts: int) -> None:
    """Begin all generators of the CPU from several numbers together.

    Args:
        parts: Not negative. Other numbers, or in another order, give other
            states.
    """
    words = np.random.SeedSequence(parts).generate_state(4)
    random.seed(int(words[0]))
    np.random.seed(words[1:3])
    # not torch.manual_seed, which begins those of accelerators too
    torch.default_generator.manual_seed(int(words[3]))


@contextmanager
def random_state_kept() -> Iterator[RandomState]:
    """Whatever draws random numbers inside, outside it is as if nothing.

    Yields:
        The state that is set again at the end.
    """
    state = random_state()
    try:
        yield state
    finally:
        set_random_state(state)
