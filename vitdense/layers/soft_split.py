"""Soft split: overlapping patches become tokens (section 3.1 of 2101.11986).

Published as unfold, LayerNorm and Linear. The unfolded tensor repeats each
value (k / stride) ** 2 times; it is never built here.

B images, C channels, H x W grid, N tokens, k kernel, K = C * k * k.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitdense.layers.band import Band, divide
from vitdense.layers.bands import Projection, project_bands, runs_in_bands
from vitdense.layers.convolve import cells, convolve
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
        weight, bias = self.proj.weight, self.proj.bias
        hw = self.grid_of(feature_map)
        return self.convolve(feature_map, weight, bias), hw

    def convolve(
        self, feature_map: Tensor, weight: Tensor, bias: Tensor | None
    ) -> Tensor:
        """(B, C, H, W), (dim, K) -> (B, N, dim)."""
        height, width = feature_map.shape[2:]
        return convolve(
            to_tokens(feature_map),
            (height, width),
            weight.unflatten(1, (-1, self.kernel, self.kernel)),
            bias,
            self.stride,
            self.padding,
            1,
        )

    def grid(self, size: int) -> int:
        """Cells along an axis of ``size`` pixels or cells of its input."""
        return cells(size, self.kernel, self.stride, self.padding)

    def grid_of(self, feature_map: Tensor) -> tuple[int, int]:
        """(B, C, H, W) -> the grid's rows and columns."""
        height, width = feature_map.shape[2:]
        return self.grid(height), self.grid(width)

    def extra_repr(self) -> str:
        return f'kernel={self.kernel}, stride={self.stride}'


class NormedSoftSplit(SoftSplit):
    """Unfold, LayerNorm over the K values of a patch, then Linear.

    Accelerators and compilers run it as a convolution: LayerNorm's scale is
    taken into the projection; subtracting a patch's mean is the same as
    subtracting from each row of weights its own mean; then the result is
    divided by the patch's deviation, which comes from windows.

    On CPU, bands of patches small enough for the cache are as fast, and
    round as the published order of operations does. The performer after it
    magnifies rounding a hundredfold.

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
        if runs_in_bands(feature_map):
            patches = self.project_in_bands(feature_map)
        else:
            patches = self.project_as_convolution(feature_map)
        return patches, self.grid_of(feature_map)

    def project_as_convolution(self, feature_map: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, N, dim)."""
        scaled = self.proj.weight * self.norm.weight
        centred = scaled - scaled.mean(1, keepdim=True)
        offset = F.linear(self.norm.bias, self.proj.weight, self.proj.bias)
        patches = self.convolve(feature_map, centred, None)
        scale = self.scale(feature_map).to(patches.dtype)
        return torch.addcmul(offset.to(patches.dtype), patches, scale)

    def scale(self, feature_map: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, N, 1), one over a patch's deviation.

        The variance of a patch is the mean of its pixels' variances plus the
        variance of their means: no difference of large squares.
        """
        wide = torch.promote_types(feature_map.dtype, torch.float32)
        feature_map = feature_map.to(wide)
        means = feature_map.mean(1, keepdim=True)
        variances = (feature_map - means).square().mean(1, keepdim=True)
        window = (self.kernel, self.stride, self.padding)
        rows, cols = self.grid_of(feature_map)
        within = F.avg_pool2d(variances, *window).flatten(2)
        pixels = F.unfold(means, self.kernel, 1, self.padding, self.stride)
        between = pixels.var(1, correction=0, keepdim=True)
        scale = (within + between + self.norm.eps).rsqrt()
        # a view, for compilers: N as one product, as that of the patches
        return scale.view(-1, rows * cols, 1)

    def project_in_bands(self, feature_map: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, N, dim)."""
        batch = len(feature_map)
        hw = self.grid_of(feature_map)
        pixels = F.pad(feature_map, (self.padding,) * 4).permute(0, 2, 3, 1)
        # a band holds its patches three times: unfolded, transposed, normed
        held = 3 * self.proj.in_features
        plan = tuple(
            _WindowRows(
                band.first,
                band.last,
                band.top,
                band.bottom,
                band.top * self.stride,
                (band.bottom - 1) * self.stride + self.kernel,
                1,
            )
            for band in divide(batch, hw, held, 0)
        )
        patches = project_bands(
            pixels,
            (batch, *hw),
            plan,
            self._normed_patches,
            (self.norm.weight, self.norm.bias),
            Projection(self.proj.weight, self.proj.bias),
            residual=False,
            scale=None,
        )
        return patches.flatten(1, 2)

    def _normed_patches(self, pixels: Tensor, _: Band) -> Tensor:
        """(B, H, W, C) with padding -> (B, H', W', K)."""
        patches = F.unfold(
            pixels.permute(0, 3, 1, 2), self.kernel, stride=self.stride
        )
        cols = (pixels.shape[2] - self.kernel) // self.stride + 1
        return self.norm(patches.transpose(1, 2)).unflatten(1, (-1, cols))


class _WindowRows(Band):
    """Rows of patches, and the rows of pixels that they see as halo."""

    def crop(self, tokens: Tensor) -> Tensor:
        """The patches of these rows are all the band's."""
        return tokens
