"""Position embeddings on a grid, and their resize to another grid.

B images, N = H * W tokens, C channels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from vitdense.layers.tokens import to_map, to_tokens


def resize_grid(
    embed: Tensor,
    old_hw: tuple[int, int],
    new_hw: tuple[int, int],
    mode: str,
) -> Tensor:
    """(1, H_old * W_old, C) -> (1, H_new * W_new, C), interpolated.

    Grids are compared, not token counts: (2, 8) to (4, 4) is a resize.

    Args:
        embed: Embedding of a row-major grid, without class token.
        old_hw: Rows and columns of ``embed``.
        new_hw: Rows and columns wanted.
        mode: Interpolation as ``torch.nn.functional.interpolate`` names it.
    """
    if old_hw == new_hw:
        return embed
    resized = F.interpolate(
        to_map(embed, old_hw), size=new_hw, mode=mode, align_corners=False
    )
    return to_tokens(resized)


def sinusoid_table(length: int, dim: int) -> Tensor:
    """(1, length, dim) sines and cosines of positions, interleaved.

    Section 3.5 of arXiv:1706.03762, in double precision, then rounded.
    """
    channels = torch.arange(0, dim, dtype=torch.float64)
    rates = 10000.0 ** (-2 * (channels // 2) / dim)
    angles = torch.arange(length, dtype=torch.float64)[:, None] * rates
    table = torch.where(channels % 2 == 0, angles.sin(), angles.cos())
    return table.float()[None]
