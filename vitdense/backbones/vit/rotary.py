"""Axial rotary positions, as in DINOv3 (arXiv:2508.10104).

B images, N = H * W tokens, P prefix tokens, C channels, D of a head.
"""

import math

import torch
from torch import Tensor, nn

from vitdense.backbones.vit.windows import to_windows, window_of

BASE = 100.0  # ratio of the longest period to the shortest


def rotation(
    hw: tuple[int, int], head_dim: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the cells' angles, (H * W, D / 2) in float32.

    Centres of cells are coordinates in [-1, 1] along each axis; the first
    half of the angles are of the row, the others of the column.
    """
    quarter = head_dim // 4
    steps = torch.arange(quarter, dtype=torch.float32, device=device)
    periods = BASE ** (steps / quarter)
    waves: list[list[Tensor]] = []
    for size in hw:
        cells = torch.arange(size, dtype=torch.float32, device=device)
        place = (cells + 0.5) / size * 2 - 1
        angles = 2 * math.pi * place[:, None] / periods
        waves.append([angles.cos(), angles.sin()])
    rows, cols = waves
    cosines, sines = (
        torch.cat(
            (
                of_rows[:, None].expand(-1, hw[1], -1),
                of_cols[None].expand(hw[0], -1, -1),
            ),
            dim=-1,
        ).flatten(0, 1)
        for of_rows, of_cols in zip(rows, cols, strict=True)
    )
    return cosines, sines


def rotate(tokens: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """(B, P + N, C) -> the same, whose last N are turned by their angles.

    A head's channels are two halves, the coordinates of points in planes.
    Cosines and sines are (N, D / 2), or (B, N, D / 2).
    """
    count, half = cosines.shape[-2:]
    prefix = tokens.shape[1] - count
    # in float32, as they are
    halves = tokens[:, prefix:].unflatten(2, (-1, 2, half))
    cosines, sines = cosines.unsqueeze(-2), sines.unsqueeze(-2)
    x, y = halves.float().unbind(3)
    turned = torch.stack(
        (x * cosines - y * sines, y * cosines + x * sines), dim=3
    )
    turned = turned.flatten(2).to(tokens.dtype)
    return torch.cat((tokens[:, :prefix], turned), 1)


class RotaryQKV(nn.Module):
    """Queries, keys and values; queries and keys turned by their positions.

    Tokens before those of the grid are not turned. Keys have no bias: the
    official code masks it out.

    Args:
        dim: Channels.
        num_heads: Heads, of a multiple of 4 channels.
        bias: Whether queries and values have a bias.
        window: Side of the windows that tokens come in, in cells; 0 is
            without. A cell's place is that in the image all the same.
    """

    def __init__(
        self, dim: int, num_heads: int, *, bias: bool, window: int = 0
    ) -> None:
        super().__init__()
        self.window = window
        self.head_dim = dim // num_heads
        self.q = nn.Linear(dim, dim, bias=bias)
        self.k = nn.Linear(dim, dim, bias=False)
        self.v = nn.Linear(dim, dim, bias=bias)

    def forward(
        self, tokens: Tensor, hw: tuple[int, int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(B, P + N, C) -> queries, keys and values, each the same.

        With windows, B is theirs of all images, N the cells of one; the grid
        is that of the image.
        """
        angles = rotation(hw, self.head_dim, tokens.device)
        if self.window:
            angles = self._by_window(*angles, hw, tokens.shape[0])
        q = rotate(self.q(tokens), *angles)
        k = rotate(self.k(tokens), *angles)
        return q, k, self.v(tokens)

    def _by_window(
        self, cosines: Tensor, sines: Tensor, hw: tuple[int, int], count: int
    ) -> tuple[Tensor, Tensor]:
        """(H * W, D / 2) each -> (count, h * w, D / 2) each."""
        window = window_of(self.window, hw)
        both = torch.cat((cosines, sines), -1).unflatten(0, hw)
        windows = to_windows(both[None], window)
        images = count // windows.shape[0]
        cosines, sines = windows.repeat(images, 1, 1).chunk(2, -1)
        return cosines, sines
