"""Plain operators that take their weights by name.

B images, N tokens, M keys, C channels, h heads, H x W grid.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor


class Weights:
    """Named tensors below a prefix, and the operators that use them."""

    def __init__(
        self, tensors: Mapping[str, Tensor], prefix: str = ''
    ) -> None:
        self._tensors = tensors
        self._prefix = prefix

    def below(self, name: str) -> 'Weights':
        """Those whose names go on from ``name``."""
        return Weights(self._tensors, f'{self._prefix}{name}.')

    def __contains__(self, name: str) -> bool:
        return f'{self._prefix}{name}' in self._tensors

    def __getitem__(self, name: str) -> Tensor:
        return self._tensors[f'{self._prefix}{name}']

    def bias(self, name: str) -> Tensor | None:
        """Bias of the part ``name``, if it has one."""
        return self._tensors.get(f'{self._prefix}{name}.bias')

    def count(self, name: str) -> int:
        """How many parts ``name.0``, ``name.1``, ... there are."""
        prefix = f'{self._prefix}{name}.'
        numbers = {
            key[len(prefix) :].split('.')[0]
            for key in self._tensors
            if key.startswith(prefix)
        }
        return len(numbers)

    def linear(self, name: str, x: Tensor) -> Tensor:
        """(..., C) -> (..., C')."""
        return F.linear(x, self[f'{name}.weight'], self.bias(name))

    def layer_norm(self, name: str, x: Tensor, eps: float) -> Tensor:
        """(..., C) -> (..., C)."""
        weight = self[f'{name}.weight']
        return F.layer_norm(x, weight.shape, weight, self.bias(name), eps)

    def conv(
        self, name: str, x: Tensor, stride: int, padding: int, groups: int = 1
    ) -> Tensor:
        """(B, C, H, W) -> (B, C', H', W')."""
        weight, bias = self[f'{name}.weight'], self.bias(name)
        return F.conv2d(x, weight, bias, stride, padding, groups=groups)


def tokens_of(feature_map: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, H * W, C)."""
    return feature_map.flatten(2).transpose(1, 2)


def map_of(tokens: Tensor, hw: tuple[int, int]) -> Tensor:
    """(B, H * W, C) -> (B, C, H, W), as a user gets it: row by row."""
    batch, _, channels = tokens.shape
    return tokens.transpose(1, 2).reshape(batch, channels, *hw)


def attention(
    q: Tensor, k: Tensor, v: Tensor, heads: int, scale: float
) -> Tensor:
    """(B, N, C), (B, M, C), (B, M, C) -> (B, N, C), softmax written out."""
    batch, _, channels = q.shape
    q, k, v = (
        t.reshape(batch, -1, heads, channels // heads).transpose(1, 2)
        for t in (q, k, v)
    )
    weights = torch.softmax(q @ k.transpose(2, 3) * scale, dim=-1)
    return (weights @ v).transpose(1, 2).reshape(batch, -1, channels)
