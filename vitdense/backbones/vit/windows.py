"""Attention inside windows of the grid, as in ViTDet (arXiv:2203.16527).

B images, P prefix tokens, C channels, H x W grid, h x w window.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitdense.layers.attention import Attention


def window_of(side: int, hw: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of a window, never more than the grid's."""
    return min(side, hw[0]), min(side, hw[1])


def to_windows(grid: Tensor, window: tuple[int, int]) -> Tensor:
    """(B, H, W, C) -> (B * windows, h * w, C), filled up with zeros.

    Windows of an image follow each other, row by row.
    """
    (rows, cols), hw = window, grid.shape[1:3]
    down, right = -(-hw[0] // rows), -(-hw[1] // cols)
    padding = down * rows - hw[0], right * cols - hw[1]
    # (B, H, W, C) -> (B, down, h, right, w, C) -> (B * windows, h * w, C)
    grid = F.pad(grid, (0, 0, 0, padding[1], 0, padding[0]))
    grid = grid.unflatten(2, (right, cols)).unflatten(1, (down, rows))
    return grid.transpose(2, 3).flatten(0, 2).flatten(1, 2)


class WindowedAttention(Attention):
    """Multi-head attention of the tokens of one window at a time.

    As in the official code, a grid that windows do not divide gets rows and
    columns of zeros, which are attended to. A window is never larger than
    the grid, so one that covers it is full attention. Prefix tokens, which
    ViTDet does not have, join in every window, and get the mean of what they
    get there.

    Args:
        window: Side of a window, in cells.
        num_prefix: P.
        The others are those of Attention.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        qkv: nn.Module,
        *,
        window: int,
        num_prefix: int,
    ) -> None:
        super().__init__(dim, num_heads, qkv)
        self.window = window
        self.num_prefix = num_prefix

    def forward(self, tokens: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, P + H * W, C) -> the same."""
        rows, cols = window_of(self.window, hw)
        down, right = -(-hw[0] // rows), -(-hw[1] // cols)
        # the whole grid: positions are places in the image
        windows = super().forward(self._split(tokens, hw), hw)
        prefix = windows[:, : self.num_prefix]
        prefix = prefix.unflatten(0, (-1, down * right)).mean(1)
        grid = windows[:, self.num_prefix :].unflatten(1, (rows, cols))
        grid = grid.unflatten(0, (-1, down, right)).transpose(2, 3)
        grid = grid.flatten(3, 4).flatten(1, 2)[:, : hw[0], : hw[1]]
        return torch.cat((prefix, grid.flatten(1, 2)), 1)

    def look(
        self, tokens: Tensor, hw: tuple[int, int], cell: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """As that of Attention; what zeros that fill up a window take is
        left out."""
        rows, cols = window_of(self.window, hw)
        q, k, _ = self.qkv(self._split(tokens, hw), hw)
        window = cell[0] // rows * -(-hw[1] // cols) + cell[1] // cols
        inside, before = self._look(
            q[window, None],
            k[window, None],
            (rows, cols),
            (cell[0] % rows, cell[1] % cols),
        )
        top, left = cell[0] - cell[0] % rows, cell[1] - cell[1] % cols
        grid = inside.new_zeros(len(inside), *hw)
        there = grid[:, top : top + rows, left : left + cols]
        there.copy_(inside[:, : there.shape[1], : there.shape[2]])
        return grid, before

    def _split(self, tokens: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, P + H * W, C) -> (B * windows, P + h * w, C)."""
        prefix, grid = tokens.split_with_sizes(
            [self.num_prefix, tokens.shape[1] - self.num_prefix], 1
        )
        windows = to_windows(grid.unflatten(1, hw), window_of(self.window, hw))
        count = windows.shape[0] // tokens.shape[0]
        return torch.cat((prefix.repeat_interleave(count, 0), windows), 1)
