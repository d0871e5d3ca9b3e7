"""Soft split: overlapping patches become tokens (section 3.1 of 2101.11986).

Published as unfold, LayerNorm and Linear. The unfolded tensor repeats each
value k * k / stride ** 2 times and is never built here: its projection is a
convolution, and the statistics of its LayerNorm are those of windows.

B images, C channels, H x W grid, N tokens, k kernel, K = C * k * k.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitdense.layers.tokens import to_tokens


class SoftSplit(nn.Module):
    """Unfold, then Linear: one convolution.

    Weights keep the shape of a Linear over unfolded patches, (dim, K).

    Args:
        in_channels: Channels of the map.
        dim: Channels of the tokens.
        kernel: Side of a patch.
        stride: Distance of neighbouring patches.
        bias: Whether the projection has a bias.
    """

    def __init__(
        self, in_channels: int, dim: int, kernel: int, stride: int, bias: bool
    ) -> None:
        super().__init__()
        self.kernel = kernel
        self.stride = stride
        self.padding = (kernel - stride + 1) // 2
        self.proj = nn.Linear(in_channels * kernel**2, dim, bias=bias)

    def forward(self, feature_map: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """(B, C, H, W) -> (B, N, dim) and the grid's rows and columns."""
        patches = self.convolve(feature_map, self.proj.weight, self.proj.bias)
        return to_tokens(patches), (patches.shape[2], patches.shape[3])

    def convolve(
        self, feature_map: Tensor, weight: Tensor, bias: Tensor | None
    ) -> Tensor:
        """(B, C, H, W), (dim, K) -> (B, dim, H', W'), channels-last."""
        kernel = (self.kernel, self.kernel)
        return F.conv2d(
            feature_map.contiguous(memory_format=torch.channels_last),
            weight.unflatten(1, (-1, *kernel)),
            bias,
            self.stride,
            self.padding,
        )

    def grid(self, size: int) -> int:
        """Cells along an axis of ``size`` pixels or cells of its input."""
        return (size + 2 * self.padding - self.kernel) // self.stride + 1

    def extra_repr(self) -> str:
        return f'kernel={self.kernel}, stride={self.stride}'


class NormedSoftSplit(SoftSplit):
    """Unfold, LayerNorm over the K values of a patch, then Linear.

    Exactly: LayerNorm's scale is taken into the projection. Subtracting the
    mean of the patch is the same as subtracting from each row of weights its
    own mean; then the convolution is divided by the patch's deviation.

    Args:
        norm_eps: Epsilon of the LayerNorm.
        The others are those of SoftSplit.
    """

    def __init__(
        self,
        in_channels: int,
        dim: int,
        kernel: int,
        stride: int,
        bias: bool,
        norm_eps: float,
    ) -> None:
        super().__init__(in_channels, dim, kernel, stride, bias)
        self.norm = nn.LayerNorm(in_channels * kernel**2, eps=norm_eps)

    def forward(self, feature_map: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """(B, C, H, W) -> (B, N, dim) and the grid's rows and columns."""
        scaled = self.proj.weight * self.norm.weight
        centred = scaled - scaled.mean(1, keepdim=True)
        offset = F.linear(self.norm.bias, self.proj.weight, self.proj.bias)
        patches = self.convolve(feature_map, centred, None)
        tokens = to_tokens(patches)
        tokens = torch.addcmul(offset, tokens, self.scale(feature_map))
        return tokens, (patches.shape[2], patches.shape[3])

    def scale(self, feature_map: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, N, 1), one over each patch's deviation.

        The variance of a patch is the mean of its pixels' variances plus the
        variance of their means: no difference of large squares.
        """
        window = (self.kernel, 1, self.padding, self.stride)
        pixels, means = torch.var_mean(
            feature_map.float(), 1, correction=0, keepdim=True
        )
        within = F.unfold(pixels, *window).mean(1)
        between = F.unfold(means, *window).var(1, correction=0)
        return (within + between + self.norm.eps).rsqrt().unsqueeze(2)
