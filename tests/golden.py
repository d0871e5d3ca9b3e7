"""Weights, inputs and outputs of the golden files.

The recipe is in ``tests/data/README.md``: a tensor of an official state dict
is drawn from a generator that is seeded with its own name.
"""

import json
import zlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

DATA = Path(__file__).resolve().parent / 'data'


def draw(name: str, shape: Sequence[int]) -> Tensor:
    """The documented value of the official tensor ``name``."""
    if name.endswith('num_batches_tracked'):
        return torch.zeros(tuple(shape), dtype=torch.long)
    if name.endswith('rope_embed.periods'):
        return 100 ** (torch.arange(shape[0]) / shape[0])
    if name.endswith('attn.qkv.bias_mask'):
        return torch.tensor([1.0, 0.0, 1.0]).repeat_interleave(shape[0] // 3)
    generator = np.random.default_rng(zlib.crc32(name.encode()))
    x: Any = generator.standard_normal(tuple(shape)).astype(np.float32)
    if name.endswith('running_var'):
        x = 1 + 0.1 * np.abs(x)
    elif name.endswith(('running_mean', 'bias')):
        x = 0.1 * x
    elif len(shape) == 1:
        x = 1 + 0.1 * x
    elif 'pos_embed' in name or 'cls_token' in name:
        x = 0.2 * x
    elif not name.endswith('.w'):
        x = x / np.sqrt(np.prod(shape[1:]))
    return torch.from_numpy(np.asarray(x, dtype=np.float32))


def official_shapes(name: str) -> dict[str, list[int]]:
    """Names and shapes of an official state dict, such as 'pvt_tiny'."""
    path = DATA / 'state_dicts' / f'{name}.json'
    shapes: dict[str, list[int]] = json.loads(path.read_text())
    return shapes


# Drawing up to 28 million numbers takes a second; tests of a file ask for
# the same weights one after the other.
@lru_cache(maxsize=2)
def _drawn(name: str) -> dict[str, Tensor]:
    shapes = official_shapes(name)
    return {key: draw(key, shape) for key, shape in shapes.items()}


def official_state_dict(name: str) -> dict[str, Tensor]:
    """An official state dict with the documented weights.

    The dictionary is the caller's own; its tensors are not to be written to.
    """
    return dict(_drawn(name))


def golden_images(hw: tuple[int, int]) -> Tensor:
    """(1, 3, H, W), the documented input."""
    x = np.random.default_rng(0).standard_normal((1, 3, *hw))
    return torch.from_numpy(x.astype(np.float32))


def golden_arrays(name: str) -> dict[str, Any]:
    """The NumPy arrays of a golden file, by name."""
    with np.load(DATA / 'golden' / f'{name}.npz') as arrays:
        return dict(arrays)


def assert_golden(levels: Sequence[Tensor], name: str) -> None:
    """Holds levels against a golden file, to 1e-5 of each level's spread."""
    golden = golden_arrays(name)
    assert f'stage{len(levels)}' not in golden  # not one was left out
    for i, level in enumerate(level.detach() for level in levels):
        assert tuple(level.shape) == tuple(golden[f'stage{i}_shape'])
        c, y, x = golden[f'stage{i}_step']
        sampled = level.numpy()[0, ::c, ::y, ::x]
        spread = golden[f'stage{i}_std']
        error = np.abs(sampled - golden[f'stage{i}']).max() / spread
        assert error < 1e-5, f'{name}, level {i}: {error:.1e}'
        mean, std = (float(level.mean()), float(level.std()))
        assert abs(mean - golden[f'stage{i}_mean']) < 1e-5 * spread
        assert abs(std / spread - 1) < 1e-5
