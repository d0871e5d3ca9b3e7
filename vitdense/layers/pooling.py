"""Average pooling of tokens to a fixed grid.

B images, H x W grid, N = H * W tokens, C channels.
"""

import torch
from torch import Tensor


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
