"""Multi-head attention whose keys may be fewer than its queries.

B images, N query tokens, M key tokens, C channels, h heads, H x W grid.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitdense.layers.bands import add_branch
from vitdense.layers.pooling import pool_to_grid
from vitdense.layers.token_conv import PatchConv


def attend(
    q: Tensor, k: Tensor, v: Tensor, num_heads: int, scale: float | None
) -> Tensor:
    """(B, N, C), (B, M, C), (B, M, C) -> (B, N, C).

    The N x M map is never built: ``scaled_dot_product_attention`` computes
    it in tiles.

    Args:
        q: Queries.
        k: Keys.
        v: Values.
        num_heads: Heads that the channels are divided into.
        scale: Multiplies q @ k, as in PyTorch; None is head_dim ** -0.5.
    """
    parts = _query_parts(q, num_heads)
    if parts == 1:
        return _attend(q, k, v, num_heads, scale)
    num_queries = q.shape[1]
    if num_queries % parts:
        q = F.pad(q, (0, 0, 0, -num_queries % parts))
    out = _attend(
        q.unflatten(1, (parts, -1)).flatten(0, 1),
        k.repeat_interleave(parts, 0),
        v.repeat_interleave(parts, 0),
        num_heads,
        scale,
    )
    return out.unflatten(0, (-1, parts)).flatten(1, 2)[:, :num_queries]


def _attend(
    q: Tensor, k: Tensor, v: Tensor, num_heads: int, scale: float | None
) -> Tensor:
    q, k, v = (
        t.unflatten(2, (num_heads, -1)).transpose(1, 2) for t in (q, k, v)
    )
    out = F.scaled_dot_product_attention(q, k, v, scale=scale)
    return out.transpose(1, 2).flatten(2)


def _query_parts(q: Tensor, num_heads: int) -> int:
    """In how many parts the queries are attended to side by side.

    On CPU the backward kernel runs one thread for each head of each image:
    a few heads would leave cores idle, so their queries are divided into
    pseudo-images that share keys and values.
    """
    if q.device.type != 'cpu' or torch.compiler.is_compiling():
        return 1
    if not (torch.is_grad_enabled() and q.requires_grad):
        return 1
    threads = torch.get_num_threads()
    units = q.shape[0] * num_heads
    return 1 if units % threads == 0 else min(threads, q.shape[1])


class KeepKeys(nn.Module):
    """Keys and values from the tokens themselves: plain attention."""

    def forward(self, tokens: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, N, C) -> (B, N, C)."""
        return tokens

    def grid(self, size: int) -> int:
        """Key cells along an axis of ``size`` tokens."""
        return size


class StridedKeys(nn.Module):
    """Keys from non-overlapping windows of tokens: PVT's spatial reduction.

    Equation 2 of arXiv:2102.12122: a convolution with kernel = stride, then
    LayerNorm.

    Args:
        dim: Channels.
        ratio: Window's side, in tokens.
        norm_eps: Epsilon of the LayerNorm.
    """

    def __init__(self, dim: int, ratio: int, norm_eps: float) -> None:
        super().__init__()
        self.conv = PatchConv(dim, dim, ratio)
        self.norm = nn.LayerNorm(dim, eps=norm_eps)

    def forward(self, tokens: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, N, C) -> (B, M, C), M = (H // ratio) * (W // ratio)."""
        return self.norm(self.conv(tokens, hw))

    def grid(self, size: int) -> int:
        """Key cells along an axis of ``size`` tokens."""
        return self.conv.grid(size)


class PooledKeys(nn.Module):
    """Keys from a fixed grid of averages: linear spatial reduction.

    Section 3.2 of arXiv:2106.13797: adaptive average pooling, a 1 x 1
    convolution, LayerNorm and GELU, so that cost is linear in image area.

    Args:
        dim: Channels.
        size: Side of the pooled grid, in cells.
        norm_eps: Epsilon of the LayerNorm.
    """

    def __init__(self, dim: int, size: int, norm_eps: float) -> None:
        super().__init__()
        self.size = size
        self.conv = PatchConv(dim, dim, 1)
        self.norm = nn.LayerNorm(dim, eps=norm_eps)

    def forward(self, tokens: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, N, C) -> (B, size * size, C)."""
        pooled = pool_to_grid(tokens, hw, self.size)
        return F.gelu(self.norm(self.conv(pooled, (self.size, self.size))))

    def grid(self, size: int) -> int:
        """Key cells along an axis of ``size`` tokens: they may repeat."""
        return self.size if size else 0


class LinearQKV(nn.Module):
    """Queries from every token, keys and values from reduced tokens.

    Args:
        dim: Channels.
        reduce: Makes the key tokens: KeepKeys, StridedKeys or PooledKeys.
        bias: Whether the projections have a bias.
    """

    def __init__(self, dim: int, reduce: nn.Module, bias: bool) -> None:
        super().__init__()
        self.q = nn.Linear(dim, dim, bias=bias)
        self.kv = nn.Linear(dim, 2 * dim, bias=bias)
        self.reduce = reduce

    def forward(
        self, tokens: Tensor, hw: tuple[int, int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(B, N, C) -> (B, N, C), (B, M, C), (B, M, C)."""
        k, v = self.kv(self.reduce(tokens, hw)).chunk(2, dim=-1)
        return self.q(tokens), k, v

    def grid(self, size: int) -> int:
        """Key cells along an axis of ``size`` tokens."""
        return self.reduce.grid(size)  # type: ignore[operator]


class Attention(nn.Module):
    """Multi-head attention: projections, ``attend``, output projection.

    Families differ in the module that makes queries, keys and values.

    Args:
        dim: Channels.
        num_heads: Heads; must divide ``dim``.
        qkv: Maps (tokens, grid) to queries, keys and values.
        scale: Multiplies q @ k; None is head_dim ** -0.5.

    Raises:
        ValueError: If the heads do not divide the channels.
    """

    def __init__(
        self, dim: int, num_heads: int, qkv: nn.Module, scale: float | None
    ) -> None:
        super().__init__()
        if dim % num_heads:
            raise ValueError(
                f'{num_heads} heads do not divide {dim} channels evenly'
            )
        self.num_heads = num_heads
        self.scale = scale
        self.qkv = qkv
        self.proj = nn.Linear(dim, dim)

    def forward(
        self,
        tokens: Tensor,
        hw: tuple[int, int],
        norm: nn.Module,
        scale: Tensor | None,
    ) -> Tensor:
        """(B, N, C) -> (B, N, C), the tokens and their attention added.

        Args:
            tokens: Tokens of an H x W grid, perhaps others before them.
            hw: Rows and columns.
            norm: Applied to each token first.
            scale: (B, 1, 1), multiplies the attention; None is 1.
        """
        return add_branch(tokens, self.branch(norm(tokens), hw), scale)

    def branch(self, tokens: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, N, C) -> (B, N, C), the attention alone."""
        q, k, v = self.qkv(tokens, hw)
        return self.proj(attend(q, k, v, self.num_heads, self.scale))

    def grid(self, size: int) -> int:
        """Key cells along an axis of ``size`` tokens."""
        return self.qkv.grid(size)  # type: ignore[operator]
