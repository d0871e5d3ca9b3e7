"""The pre-norm transformer block.

B images, N = H * W tokens, C channels.
"""

from torch import Tensor, nn

from vitdense.layers import bands
from vitdense.layers.drop_path import DropPath
from vitdense.layers.mlp import Mlp


class Block(nn.Module):
    """Attention and feed-forward network, each normed, scaled and residual.

    Args:
        dim: Channels.
        attn: Maps (tokens, grid) to tokens.
        mlp: The feed-forward network.
        norm_eps: Epsilon of both LayerNorms.
        drop_path_rate: Stochastic depth of both branches, in [0, 1).
        ls1: ``LayerScale`` of the attention; None is without.
        ls2: ``LayerScale`` of the feed-forward network; None is without.
    """

    def __init__(
        self,
        dim: int,
        attn: nn.Module,
        mlp: Mlp,
        *,
        norm_eps: float,
        drop_path_rate: float,
        ls1: nn.Module | None = None,
        ls2: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=norm_eps)
        self.attn = attn
        self.ls1 = ls1 or nn.Identity()
        self.norm2 = nn.LayerNorm(dim, eps=norm_eps)
        self.mlp = mlp
        self.ls2 = ls2 or nn.Identity()
        self.drop_path = DropPath(drop_path_rate)

    def forward(self, x: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, N, C) on an H x W grid -> (B, N, C)."""
        x = x + self.attend(x, hw)
        rest = self.norm2, self.mlp, self.ls2, self.drop_path
        if bands.pay_for_mlp(x, *rest):
            return bands.add_mlp(x, hw, *rest)
        return x + self.transform(x, hw)

    def attend(self, x: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, N, C) on an H x W grid -> (B, N, C), the first branch."""
        return self.drop_path(self.ls1(self.attn(self.norm1(x), hw)))

    def transform(self, x: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, N, C) on an H x W grid -> (B, N, C), the second branch."""
        return self.drop_path(self.ls2(self.mlp(self.norm2(x), hw)))
