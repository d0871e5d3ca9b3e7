"""The pre-norm transformer block.

B images, N = H * W tokens, C channels.
"""

from torch import Tensor, nn

from vitdense.layers.drop_path import DropPath
from vitdense.layers.mlp import Mlp


class Block(nn.Module):
    """Attention and feed-forward network, each normalised and residual.

    Args:
        dim: Channels.
        attn: The attention.
        mlp: The feed-forward network. Both add themselves to the tokens, given
            (tokens, grid, norm, scale of stochastic depth).
        norm_eps: Epsilon of both LayerNorms.
        drop_path_rate: Stochastic depth of both branches, in [0, 1).
    """

    def __init__(
        self,
        dim: int,
        attn: nn.Module,
        mlp: Mlp,
        norm_eps: float,
        drop_path_rate: float,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=norm_eps)
        self.attn = attn
        self.norm2 = nn.LayerNorm(dim, eps=norm_eps)
        self.mlp = mlp
        self.drop_path = DropPath(drop_path_rate)

    def forward(self, tokens: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, N, C) on an H x W grid -> (B, N, C)."""
        for branch, norm in ((self.attn, self.norm1), (self.mlp, self.norm2)):
            tokens = branch(tokens, hw, norm, self.drop_path.scale(tokens))
        return tokens
