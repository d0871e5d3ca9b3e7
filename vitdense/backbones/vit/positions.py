"""Tables of positions, and how each official code resizes its own.

B images, N = H * W tokens, C channels.
"""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitdense.layers.position import resize_grid, sinusoid_table
from vitdense.layers.tokens import to_map, to_tokens

Grid = tuple[int, int]
Resize = Callable[[Tensor, Grid, Grid], Tensor]

OFFSET = 0.1  # cells, in DINOv2


def _with_offset(table: Tensor, old_hw: Grid, new_hw: Grid) -> Tensor:
    """Bicubic; the scale is of a grid that is a tenth of a cell larger."""
    if old_hw == new_hw:
        return table
    scale = [(n + OFFSET) / o for n, o in zip(new_hw, old_hw, strict=True)]
    resized = torch.ops.aten.upsample_bicubic2d(
        to_map(table, old_hw), new_hw, False, *scale
    )
    return to_tokens(resized)


def _with_antialias(table: Tensor, old_hw: Grid, new_hw: Grid) -> Tensor:
    """Bicubic; a smaller grid averages over the cells that it leaves out."""
    if old_hw == new_hw:
        return table
    resized = F.interpolate(
        to_map(table, old_hw),
        size=new_hw,
        mode='bicubic',
        align_corners=False,
        antialias=True,
    )
    return to_tokens(resized)


RESIZES: Mapping[str, Resize] = MappingProxyType(
    {
        'bicubic': partial(resize_grid, mode='bicubic'),  # DeiT, MAE
        'bicubic-offset': _with_offset,  # DINOv2
        'bicubic-antialias': _with_antialias,  # DINOv2 with registers
        'bilinear': partial(resize_grid, mode='bilinear'),  # CCT
    }
)


class GridPositions(nn.Module):
    """A vector for each cell of a square grid, resized to other grids.

    Args:
        side: Rows and columns of the grid.
        dim: Channels.
        class_slot: Whether one more, the first, is for the class token.
        resize: How other grids get theirs, in float32; of ``RESIZES``.
    """

    def __init__(
        self, side: int, dim: int, *, class_slot: bool, resize: str
    ) -> None:
        super().__init__()
        self.hw = (side, side)
        self.resize = RESIZES[resize]
        self.class_slots = int(class_slot)
        self.set_table(self.class_slots + side * side, dim)

    def set_table(self, count: int, dim: int) -> None:
        """Make the tensor that `table` gives."""
        raise NotImplementedError

    @property
    def table(self) -> Tensor:
        """(1, count, C)."""
        raise NotImplementedError

    def forward(self, hw: Grid) -> tuple[Tensor, Tensor]:
        """Gives (1, 0 or 1, C) for the class token, (1, N, C) for cells."""
        slot = self.table[:, : self.class_slots]
        grid = self.table[:, self.class_slots :]
        resized = self.resize(grid.float(), self.hw, hw)
        return slot, resized.to(grid.dtype)


class LearnedPositions(GridPositions):
    """Vectors that are learned."""

    def set_table(self, count: int, dim: int) -> None:
        """Begin with small random numbers."""
        self.pos_embed = nn.Parameter(torch.zeros(1, count, dim))
        nn.init.trunc_normal_(self.pos_embed, std=0.02)

    @property
    def table(self) -> Tensor:
        """(1, count, C)."""
        return self.pos_embed


class SinusoidPositions(GridPositions):
    """Fixed sines and cosines of a cell's number, row by row."""

    sinusoid: Tensor

    def set_table(self, count: int, dim: int) -> None:
        """Compute them; they are in no checkpoint."""
        table = sinusoid_table(count, dim)
        self.register_buffer('sinusoid', table, persistent=False)

    @property
    def table(self) -> Tensor:
        """(1, count, C)."""
        return self.sinusoid
