"""The re-structurization blocks of T2T's token modules.

Section 3.1 of arXiv:2101.11986. Their soft split has already projected each
patch to queries, keys and values, far narrower than the patch; so the
residual of the attention comes from the values.

B images, N = H * W tokens, C channels.
"""

from torch import Tensor, nn

from vitdense.layers.attention import attend
from vitdense.layers.linear_attention import performer_attend, random_features
from vitdense.layers.mlp import Mlp


class TokenAttention(nn.Module):
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
        return v + self.proj(attend(q, k, v, 1, self.scale))

    def grid(self, size: int) -> int:
        """Key cells along an axis of ``size`` tokens."""
        return size


class TokenPerformer(nn.Module):
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

    def grid(self, size: int) -> int:
        """Key cells along an axis of ``size`` tokens."""
        return size


class TokenBlock(nn.Module):
    """Attention with its own residual, then a feed-forward network.

    Args:
        dim: Channels.
        attn: ``TokenAttention`` or ``TokenPerformer``.
        mlp: The feed-forward network.
        norm_eps: Epsilon of the LayerNorm before it.
    """

    def __init__(
        self, dim: int, attn: nn.Module, mlp: Mlp, norm_eps: float
    ) -> None:
        super().__init__()
        self.attn = attn
        self.norm2 = nn.LayerNorm(dim, eps=norm_eps)
        self.mlp = mlp

    def forward(self, projected: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, N, 3 * C) on an H x W grid -> (B, N, C)."""
        tokens = self.attn(projected, hw)
        return self.mlp(tokens, hw, self.norm2, None)
