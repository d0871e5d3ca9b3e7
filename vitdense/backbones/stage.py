"""A stage of a backbone: tokens and their grid in, tokens and their grid out.

B images, C channels, H x W grid, N = H * W tokens, P prefix tokens (class and
register tokens, or none); primes mark the result's.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from vitdense.layers.recompute import recompute
from vitdense.layers.tokens import to_map


class Stage(nn.Module):
    """A patch embedding, blocks on its tokens, and a norm: one level.

    Args:
        patch_embed: Maps (tokens, grid) to fewer tokens and their grid, and
            tells by ``grid(size)`` how many cells an axis has.
        blocks: Map (tokens, grid) to tokens. One that cannot run on any grid
            has a part that declares ``min_cells``.
        norm: Applied to the tokens after the blocks.
        dim: Channels of the level.
        stride: Input cells, along an axis, for each cell of the level.

    Attributes:
        num_prefix: Tokens before those of the grid in what the stage hands
            on. A next stage that keeps them must expect them.
        min_cells: Least rows and columns of a grid that its blocks run on.
        with_cp: Whether blocks are recomputed in the backward pass.
    """

    num_prefix = 0

    def __init__(
        self,
        patch_embed: nn.Module,
        blocks: Iterable[nn.Module],
        norm: nn.Module,
        dim: int,
        stride: int,
    ) -> None:
        super().__init__()
        self.patch_embed = patch_embed
        self.blocks = nn.ModuleList(blocks)
        self.norm = norm
        self.dim = dim
        self.stride = stride
        self.with_cp = False
        self.min_cells = max(
            getattr(part, 'min_cells', 1) for part in self.modules()
        )

    def forward(
        self, tokens: Tensor, hw: tuple[int, int]
    ) -> tuple[Tensor, tuple[int, int]]:
        """(B, N, C) on an H x W grid -> (B, P + N', dim) and its grid."""
        tokens, hw = self.embed(tokens, hw)
        return self.norm(self.run_blocks(tokens, hw)), hw

    def embed(
        self, tokens: Tensor, hw: tuple[int, int]
    ) -> tuple[Tensor, tuple[int, int]]:
        """(B, N, C) on an H x W grid -> what the blocks take, its grid."""
        tokens, hw = self.patch_embed(tokens, hw)
        return tokens, hw

    def run_blocks(self, tokens: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, P + N', dim) -> the same; recomputed in backward if with_cp."""
        for block in self.blocks:
            if self.with_cp and torch.is_grad_enabled():
                tokens = recompute(block, tokens, hw)
            else:
                tokens = block(tokens, hw)
        return tokens

    def level(self, tokens: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, P + N', dim) as handed on -> the level (B, dim, H', W')."""
        return to_map(tokens[:, self.num_prefix :], hw)
