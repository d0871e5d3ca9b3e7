"""Axial rotary positions, as in DINOv3 (arXiv:2508.10104).

B images, N = H * W tokens, P prefix tokens, C channels, D of a head.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitdense.backbones.vit.windows import to_windows, window_of

BASE = 100.0  # ratio of the longest period to the shortest


def rotation(
    hw: tuple[int, int], head_dim: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Cosines and sines that ``rotate`` takes, (H * W, D) in float32.

    Centres of cells are coordinates in [-1, 1] along each axis; the first
    half of the angles are of the row, the others of the column. A channel's
    sine has the sign that its partner, half a head away, comes with.
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
    return torch.cat((cosines, cosines), -1), torch.cat((-sines, sines), -1)


def rotate(tokens: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """(B, N, C) -> the same, turned by the angles of ``rotation``.

    A head's channels are two halves, the coordinates of points in planes.
    Cosines and sines are (N, D), or (B, N, D).
    """
    head_dim = cosines.shape[-1]
    # in float32, as they are
    heads = tokens.unflatten(2, (-1, head_dim)).float()
    partners = heads.roll(head_dim // 2, -1)
    cosines, sines = cosines.unsqueeze(-2), sines.unsqueeze(-2)
    turned = torch.addcmul(heads * cosines, partners, sines)
    return turned.flatten(2).to(tokens.dtype)


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
        cosines, sines = rotation(hw, self.head_dim, tokens.device)
        if self.window:
            cosines, sines = self._by_window(
                cosines, sines, hw, tokens.shape[0]
            )
        # an angle of zero for the tokens before the grid's
        before = 0, 0, tokens.shape[1] - cosines.shape[-2], 0
        cosines = F.pad(cosines, before, value=1.0)
        sines = F.pad(sines, before)
        q = rotate(self.q(tokens), cosines, sines)
        k = rotate(self.k(tokens), cosines, sines)
        return q, k, self.v(tokens)

    def _by_window(
        self, cosines: Tensor, sines: Tensor, hw: tuple[int, int], count: int
    ) -> tuple[Tensor, Tensor]:
        """(H * W, D) each -> (count, h * w, D) each."""
        window = window_of(self.window, hw)
        both = torch.cat((cosines, sines), -1).unflatten(0, hw)
        windows = to_windows(both[None], window)
        images = count // windows.shape[0]
        cosines, sines = windows.repeat(images, 1, 1).chunk(2, -1)
        return cosines, sines
