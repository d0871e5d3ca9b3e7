"""Blocks that hand on all that was before: T2T-ViT-Dense.

Section 3.2 of arXiv:2101.11986, after DenseNet (arXiv:1608.06993).

B images, N = H * W tokens, C channels.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitdense.layers.block import Block
from vitdense.layers.mlp import Mlp


def widths(
    end: int, growth: int, groups: Sequence[int]
) -> tuple[tuple[int, ...], ...]:
    """Channels that each block takes, group by group.

    A block adds channels, and half of a group's go on to the next.

    Args:
        end: Channels after the last group.
        growth: Channels that a block adds.
        groups: Blocks of each group.
    """
    found = []
    for count in reversed(groups):
        start = end - count * growth
        found.append(tuple(range(start, end, growth)))
        end = 2 * start
    return tuple(reversed(found))


class DenseBlock(Block):
    """A block whose result, made narrow, joins what it was given.

    Args:
        growth: Channels that it adds.
        The others are those of Block.
    """

    def __init__(
        self,
        dim: int,
        attn: nn.Module,
        mlp: Mlp,
        *,
        growth: int,
        norm_eps: float,
        drop_path_rate: float,
    ) -> None:
        super().__init__(
            dim,
            attn,
            mlp,
            norm_eps=norm_eps,
            drop_path_rate=drop_path_rate,
        )
        self.grow = nn.Linear(dim, growth)

    def forward(self, x: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, N, C) on an H x W grid -> (B, N, C + growth)."""
        return torch.cat((x, self.grow(super().forward(x, hw))), dim=-1)


class Transition(nn.Module):
    """Halves the channels between two groups.

    Args:
        dim: Channels that are given.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, dim // 2)

    def forward(self, x: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, N, C) -> (B, N, C // 2)."""
        return F.gelu(self.linear(x))
