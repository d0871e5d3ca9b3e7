"""Multi-head attention whose keys may be fewer than its queries.

B images, N query tokens, M key tokens, C channels, h heads, H x W grid.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

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
    parts = query_parts(q, num_heads)
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


def attention_weights(
    q: Tensor, k: Tensor, num_heads: int, scale: float | None
) -> Tensor:
    """(B, N, C), (B, M, C) -> (B, h, N, M): what each query takes of each key.

    For looking at: unlike ``attend``, this builds the map. Give it the few
    queries that are of interest.

    Args:
        q: Queries.
        k: Keys.
        num_heads: Heads that the channels are divided into.
        scale: As in ``attend``.
    """
    q, k = (
        t.unflatten(2, (num_heads, -1)).transpose(1, 2).flatten(0, 1)
        for t in (q, k)
    )
    # one-hot values come out as the weights that they were taken with
    one_hot = torch.eye(k.shape[1], dtype=k.dtype, device=k.device)
    out = attend(q, k, one_hot.expand(len(k), -1, -1), 1, scale)
    return out.unflatten(0, (-1, num_heads))


def query_parts(q: Tensor, num_heads: int) -> int:
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
    # the fewest parts that give every thread the same share
    return min(threads // math.gcd(units, threads), q.shape[1])


class KeepKeys(nn.Module):
    """Keys and values from the tokens themselves: plain attention."""

    def forward(self, tokens: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, N, C) -> (B, N, C)."""
        return tokens

    def spread(self, weights: Tensor, hw: tuple[int, int]) -> Tensor:
        """(..., M) of keys -> (..., H, W) of the cells they are made of."""
        return weights.unflatten(-1, hw)


class StridedKeys(nn.Module):
    """Keys from non-overlapping windows of tokens: PVT's spatial reduction.

    Equation 2 of arXiv:2102.12122: a convolution with kernel = stride, then
    LayerNorm.

    Args:
        dim: Channels.
        ratio: Window's side, in tokens.
        norm_eps: Epsilon of the LayerNorm.

    Attributes:
        min_cells: Least rows and columns of a grid that has a key.
    """

    def __init__(self, dim: int, ratio: int, norm_eps: float) -> None:
        super().__init__()
        self.min_cells = ratio
        self.conv = PatchConv(dim, dim, ratio)
        self.norm = nn.LayerNorm(dim, eps=norm_eps)

    def forward(self, tokens: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, N, C) -> (B, M, C), M = (H // ratio) * (W // ratio)."""
        return self.norm(self.conv(tokens, hw))

    def spread(self, weights: Tensor, hw: tuple[int, int]) -> Tensor:
        """(..., M) of keys -> (..., H, W), shared evenly by the cells of a
        window; those beyond the last whole window are in no key."""
        ratio = self.min_cells
        grid = weights.unflatten(-1, (hw[0] // ratio, hw[1] // ratio))
        for axis in (-2, -1):
            grid = grid.repeat_interleave(ratio, axis) / ratio
        below, right = hw[0] - grid.shape[-2], hw[1] - grid.shape[-1]
        return F.pad(grid, (0, right, 0, below))


class LinearQKV(nn.Module):
    """Queries from every token, keys and values from reduced tokens.

    Args:
        dim: Channels.
        reduce: Maps (tokens, grid) to the key tokens, such as StridedKeys.
        bias: Whether the projections have a bias.
    """

    def __init__(self, dim: int, reduce: nn.Module, *, bias: bool) -> None:
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

    def spread(self, weights: Tensor, hw: tuple[int, int]) -> Tensor:
        """(..., M) of keys -> (..., H, W) of the cells they are made of."""
        spread: Tensor = self.reduce.spread(weights, hw)  # type: ignore[operator]
        return spread


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
        self,
        dim: int,
        num_heads: int,
        qkv: nn.Module,
        *,
        scale: float | None = None,
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

    def forward(self, tokens: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, N, C) on an H x W grid -> (B, N, C)."""
        q, k, v = self.qkv(tokens, hw)
        return self.proj(attend(q, k, v, self.num_heads, self.scale))

    def look(
        self, tokens: Tensor, hw: tuple[int, int], cell: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """What one cell of the grid takes of all others.

        Args:
            tokens: (1, P + H * W, C), of one image.
            hw: The grid.
            cell: Row and column.

        Returns:
            (h, H, W) of the grid's cells, where keys that are made of
            several are shared by them; and (h,) of the tokens before the
            grid's. Together they are 1.
        """
        q, k, _ = self.qkv(tokens, hw)
        return self._look(q, k, hw, cell)

    def _look(
        self, q: Tensor, k: Tensor, hw: tuple[int, int], cell: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        prefix = q.shape[1] - hw[0] * hw[1]
        place = prefix + cell[0] * hw[1] + cell[1]
        q = q[:, place, None]
        weights = attention_weights(q, k, self.num_heads, self.scale)[0, :, 0]
        before, grid = weights[:, :prefix], weights[:, prefix:]
        spread = getattr(self.qkv, 'spread', None)
        # without one, each cell has its key
        cells = grid.unflatten(-1, hw) if spread is None else spread(grid, hw)
        return cells, before.sum(-1)
