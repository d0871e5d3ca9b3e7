"""Keys from a fixed grid of averages, PVT v2's linear spatial reduction.

B images, H x W grid, N = H * W tokens, C channels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitdense.layers.token_conv import PatchConv


class PooledKeys(nn.Module):
    """Keys from a fixed grid of averages: linear spatial reduction.

    Section 3.2 of arXiv:2106.13797: adaptive average pooling, a 1 x 1
    convolution, LayerNorm and GELU, so that cost is linear in image area.

    Args:
        dim: Channels.
        size: Side of the pooled grid, in cells.
        norm_eps: Epsilon of the LayerNorm.
    """

    def __init__(self, dim: int, size: int, norm_eps: float) -> None:
        super().__init__()
        self.size = size
        self.conv = PatchConv(dim, dim, 1)
        self.norm = nn.LayerNorm(dim, eps=norm_eps)

    def forward(self, tokens: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, N, C) -> (B, size * size, C)."""
        pooled = pool_to_grid(tokens, hw, self.size)
        return F.gelu(self.norm(self.conv(pooled, (self.size, self.size))))

    def spread(self, weights: Tensor, hw: tuple[int, int]) -> Tensor:
        """(..., M) of keys -> (..., H, W), by each cell's part in averages."""
        grid = weights.unflatten(-1, (self.size, self.size))
        rows = _windows(grid, hw[0], self.size)
        cols = _windows(grid, hw[1], self.size)
        rows, cols = (t / t.sum(1, keepdim=True) for t in (rows, cols))
        return rows.mT @ grid @ cols


def pool_to_grid(tokens: Tensor, hw: tuple[int, int], side: int) -> Tensor:
    """(B, N, C) on an H x W grid -> (B, side * side, C).

    The windows of ``torch.nn.functional.adaptive_avg_pool2d``, which compilers
    specialise on each image size; two products of matrices they do not.
    """
    height, width = hw
    rows, cols = _windows(tokens, height, side), _windows(tokens, width, side)
    # sums first, as zeros and ones are exact in any precision; means after
    # each axis, so that sums stay in the range of float16
    strips = torch.matmul(rows, tokens.unflatten(1, hw).flatten(2))
    strips = strips / rows.sum(1, keepdim=True)
    sums = torch.matmul(cols, strips.unflatten(2, (width, -1)))
    return (sums / cols.sum(1, keepdim=True)).flatten(1, 2)


def _windows(like: Tensor, size: int, side: int) -> Tensor:
    """(side, size), one where a window along an axis holds a cell."""
    index = torch.arange(side, device=like.device)[:, None]
    cell = torch.arange(size, device=like.device)
    begin = index * size // side
    end = ((index + 1) * size + side - 1) // side
    return ((begin <= cell) & (cell < end)).to(like.dtype)
