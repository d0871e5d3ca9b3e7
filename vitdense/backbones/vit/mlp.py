"""The gated feed-forward network of large ViTs.

B images, H x W grid, N tokens, C channels.
"""

from torch import Tensor, nn

from vitdense.layers.mlp import SILU, Mlp


class SwiGLU(Mlp):
    """``fc2(silu(fc1(x)) * gate(x))``, of arXiv:2002.05202.

    Args:
        dim: Channels.
        hidden_dim: Channels between the projections.
    """

    def __init__(self, dim: int, hidden_dim: int) -> None:
        super().__init__(dim, hidden_dim, SILU)
        self.gate = nn.Linear(dim, hidden_dim)

    def hidden(self, tokens: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, N, C) -> (B, N, hidden_dim)."""
        return super().hidden(tokens, hw) * self.gate(tokens)
