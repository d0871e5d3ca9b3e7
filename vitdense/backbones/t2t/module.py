"""The T2T module: what follows a soft split that makes few tokens of many.

Section 3.1 of arXiv:2101.11986. The soft split has already projected each
patch to queries, keys and values, far narrower than the patch; so the
residual of the attention comes from the values.

B images, N = H * W tokens, C channels.
"""

from torch import Tensor, nn

from vitdense.backbones.t2t.performer import (
    performer_attend,
    performer_weights,
    random_features,
)
from vitdense.layers import bands
from vitdense.layers.attention import attend, attention_weights
from vitdense.layers.mlp import Mlp


class T2TAttention(nn.Module):
    """Softmax attention with one head; the N x N map is never built.

    Args:
        dim: Channels of queries, keys and values.
        scale: Multiplies q @ k.
    """

    def __init__(self, dim: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.proj = nn.Linear(dim, dim)

    def forward(self, qkv: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, N, 3 * C) queries, keys, values -> (B, N, C)."""
        q, k, v = qkv.chunk(3, dim=-1)
        out = attend(q, k, v, num_heads=1, scale=self.scale)
        return v + self.proj(out)

    def look(
        self, qkv: Tensor, hw: tuple[int, int], cell: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """(1, N, 3 * C) -> (1, H, W), what one cell takes of each; (1,)."""
        q, k, _ = qkv.chunk(3, dim=-1)
        q = q[:, cell[0] * hw[1] + cell[1], None]
        weights = attention_weights(q, k, 1, self.scale)[0, :, 0]
        return weights.unflatten(-1, hw), weights.new_zeros(1)


class T2TPerformer(nn.Module):
    """Attention by ``dim // 2`` random features, linear in N.

    Args:
        dim: Channels of queries, keys and values.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj = nn.Linear(dim, dim)
        self.w: Tensor
        self.register_buffer('w', random_features(dim // 2, dim))

    def forward(self, kqv: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, N, 3 * C) keys, queries, values -> (B, N, C)."""
        k, q, v = kqv.chunk(3, dim=-1)
        return v + self.proj(performer_attend(q, k, v, self.w))

    def look(
        self, kqv: Tensor, hw: tuple[int, int], cell: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """(1, N, 3 * C) -> (1, H, W), what one cell takes of each, as the
        random features estimate it; (1,)."""
        k, q, _ = kqv.chunk(3, dim=-1)
        q = q[:, cell[0] * hw[1] + cell[1], None]
        weights = performer_weights(q, k, self.w)[0]
        return weights.unflatten(-1, hw), weights.new_zeros(1)


class T2TBlock(nn.Module):
    """Attention with its own residual, then a feed-forward network.

    Args:
        dim: Channels.
        attn: ``T2TAttention`` or ``T2TPerformer``.
        mlp: The feed-forward network.
        norm_eps: Epsilon of the LayerNorm before it.
    """

    def __init__(
        self, dim: int, attn: nn.Module, mlp: Mlp, *, norm_eps: float
    ) -> None:
        super().__init__()
        self.attn = attn
        self.norm2 = nn.LayerNorm(dim, eps=norm_eps)
        self.mlp = mlp

    def forward(self, projected: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, N, 3 * C) on an H x W grid -> (B, N, C)."""
        x: Tensor = self.attn(projected, hw)
        if bands.pay_for_mlp(x, self.norm2, self.mlp):
            return bands.add_mlp(x, hw, self.norm2, self.mlp)
        return x + self.mlp(self.norm2(x), hw)
