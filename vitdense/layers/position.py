"""Position embeddings on a grid, and their resize to another grid.

B images, N = H * W tokens, C channels.
"""

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
