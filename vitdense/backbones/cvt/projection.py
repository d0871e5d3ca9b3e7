"""CvT's projections of attention: depthwise convolution, BatchNorm, Linear.

B images, N query tokens, M key tokens, C channels, P prefix tokens (the class
token, or none), H x W grid.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from vitdense.backbones.cvt.batch_norm import MakeNorm
from vitdense.layers.hooks import hooked, untouched
from vitdense.layers.token_conv import TokenConv
from vitdense.layers.tokens import to_map, to_tokens

KERNEL = 3


class DepthwiseNorm(nn.Module):
    """Depthwise 3 x 3 convolution and BatchNorm, with padding 1.

    A BatchNorm in eval mode is folded into the convolution as it runs: one
    pass over memory for two, and gradients reach the parameters of both.

    Args:
        dim: Channels.
        stride: Tokens from one output to the next, along an axis.
        norm: Makes the BatchNorm.
    """

    def __init__(self, dim: int, stride: int, norm: MakeNorm) -> None:
        super().__init__()
        self.conv = TokenConv(
            dim, dim, KERNEL, stride, KERNEL // 2, groups=dim, bias=False
        )
        self.bn = norm(dim)

    def folded(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of the one convolution that equals both parts."""
        bn = self.bn
        mean = cast(Tensor, bn.running_mean)  # None only where not tracked
        variance = cast(Tensor, bn.running_var)
        scale = bn.weight * torch.rsqrt(variance + bn.eps)
        weight = self.conv.weight * scale[:, None, None, None]
        return weight, bn.bias - mean * scale

    def forward(self, tokens: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, N, C) -> (B, M, C), M = ceil(H / stride) * ceil(W / stride)."""
        parts_alone = untouched(self.conv, TokenConv) and not hooked(self)
        normed = isinstance(self.bn, _BatchNorm) and not self.bn.training
        if parts_alone and normed:
            return self.conv.convolve(tokens, hw, *self.folded())
        tokens = self.conv(tokens, hw)
        # BatchNorm wants a map; its statistics are those of any grid
        return to_tokens(self.bn(to_map(tokens, (tokens.shape[1], 1))))


class ConvQKV(nn.Module):
    """Queries, keys and values from convolved tokens.

    Section 3.2 of arXiv:2103.15808. Prefix tokens have no place on the grid:
    they pass by the convolutions.

    Args:
        dim: Channels.
        stride: That of the convolutions of keys and values.
        norm: Makes the BatchNorms after the convolutions.
        num_prefix: Tokens before those of the grid.
    """

    def __init__(
        self, dim: int, stride: int, norm: MakeNorm, num_prefix: int
    ) -> None:
        super().__init__()
        self.num_prefix = num_prefix
        self.stride = stride
        self.conv_q = DepthwiseNorm(dim, 1, norm)
        self.conv_k = DepthwiseNorm(dim, stride, norm)
        self.conv_v = DepthwiseNorm(dim, stride, norm)
        self.q = nn.Linear(dim, dim)
        self.k = nn.Linear(dim, dim)
        self.v = nn.Linear(dim, dim)

    def forward(
        self, tokens: Tensor, hw: tuple[int, int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(B, P + N, C) -> (B, P + N, C), (B, P + M, C), (B, P + M, C)."""
        prefix, cells = None, tokens
        if self.num_prefix:
            sizes = [self.num_prefix, tokens.shape[1] - self.num_prefix]
            prefix, cells = tokens.split(sizes, 1)
        # one copy at most, where each of the convolutions would make one
        cells = cells.contiguous()
        convs = self.conv_q, self.conv_k, self.conv_v
        q, k, v = (conv(cells, hw) for conv in convs)
        if prefix is not None:
            q, k, v = (torch.cat((prefix, part), 1) for part in (q, k, v))
        return self.q(q), self.k(k), self.v(v)

    def spread(self, weights: Tensor, hw: tuple[int, int]) -> Tensor:
        """(..., M) of keys of the grid -> (..., H, W), shared evenly by the
        cells that are nearest to a kernel's centre."""
        rows, cols = (-(-side // self.stride) for side in hw)
        grid = weights.unflatten(-1, (rows, cols))
        for axis, side in ((-2, hw[0]), (-1, hw[1])):
            key = torch.arange(side, device=grid.device) // self.stride
            shared = key.bincount()[key]  # the last key has fewer cells
            part = 1 / (shared[:, None] if axis == -2 else shared)
            grid = grid.index_select(axis, key) * part
        return grid
