"""Blocks of plain ViTs that are not the common one.

B images, N tokens, C channels, H x W grid.
"""

from collections.abc import Iterable

from torch import Tensor, nn

from vitdense.layers import bands
from vitdense.layers.block import Block


class ParallelBlock(nn.Module):
    """Several attentions side by side, then as many feed-forward networks.

    Section 3 of arXiv:2203.09795.

    Args:
        branches: Blocks, of which each gives one of both.
    """

    def __init__(self, branches: Iterable[Block]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, N, C) on an H x W grid -> (B, N, C)."""
        given = x
        for branch in self.branches:
            x = x + branch.attend(given, hw)  # type: ignore[operator]
        given = x
        for branch in self.branches:
            x = x + branch.transform(given, hw)  # type: ignore[operator]
        return x


class CCTBlock(Block):
    """A block whose second norm stays in the residual.

    As the encoder layer of the official CCT (arXiv:2104.05704).
    """

    def forward(self, x: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, N, C) on an H x W grid -> (B, N, C)."""
        x = self.norm2(x + self.attend(x, hw))
        rest = nn.Identity(), self.mlp, self.ls2, self.drop_path
        if bands.pay_for_mlp(x, *rest):
            return bands.add_mlp(x, hw, *rest)
        return x + self.drop_path(self.ls2(self.mlp(x, hw)))
