"""Soft split: overlapping patches become tokens (section 3.1 of 2101.11986).

Published as unfold, LayerNorm and Linear. The unfolded tensor repeats each
value (k / stride) ** 2 times; where nothing is attached to the Linear it is
never built as a whole.

B images, C channels, H x W grid, N = H * W tokens, k kernel, K = C * k * k
values of a patch; primes mark the result's.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitdense.layers import bands
from vitdense.layers.convolve import cells, convolve
from vitdense.layers.hooks import hooked, untouched
from vitdense.layers.tokens import to_map


class SoftSplit(nn.Module):
    """Unfold, then Linear: one convolution.

    Weights keep the shape of a Linear over unfolded patches, (dim, K).

    Args:
        in_channels: Channels of the tokens.
        dim: Channels of the patches' tokens.
        kernel: Side of a patch.
        stride: Distance of neighbouring patches.
        bias: Whether the projection has a bias.
    """

    def __init__(
        self,
        in_channels: int,
        dim: int,
        kernel: int,
        stride: int,
        *,
        bias: bool,
    ) -> None:
        super().__init__()
        self.kernel = kernel
        self.stride = stride
        self.padding = (kernel - stride + 1) // 2
        self.patch_values = in_channels * kernel**2
        self.dim = dim
        self.proj = nn.Linear(self.patch_values, dim, bias=bias)

    def forward(
        self, tokens: Tensor, hw: tuple[int, int]
    ) -> tuple[Tensor, tuple[int, int]]:
        """(B, N, C) on an H x W grid -> (B, N', dim) and its H' x W' grid."""
        return self.project(tokens, hw), (self.grid(hw[0]), self.grid(hw[1]))

    def project(self, tokens: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, N, C) on an H x W grid -> (B, N', dim)."""
        if not untouched(self.proj, nn.Linear):
            return self.proj(self.unfold(tokens, hw))
        return self.convolve(tokens, hw, self.proj.weight, self.proj.bias)

    def unfold(self, tokens: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, N, C) on an H x W grid -> (B, N', K), every patch."""
        maps = to_map(tokens, hw)
        window = self.kernel, 1, self.padding, self.stride
        return F.unfold(maps, *window).transpose(1, 2)

    def convolve(
        self,
        tokens: Tensor,
        hw: tuple[int, int],
        weight: Tensor,
        bias: Tensor | None,
    ) -> Tensor:
        """(B, N, C) on an H x W grid, (dim, K), (dim) -> (B, N', dim)."""
        kernels = weight.unflatten(1, (-1, self.kernel, self.kernel))
        settings = self.stride, self.padding, 1
        return convolve(tokens, hw, kernels, bias, *settings)

    def grid(self, size: int) -> int:
        """Cells along an axis of ``size`` pixels or cells of its input."""
        return cells(size, self.kernel, self.stride, self.padding)

    def extra_repr(self) -> str:
        return f'kernel={self.kernel}, stride={self.stride}'


class NormedSoftSplit(SoftSplit):
    """Unfold, LayerNorm over the K values of a patch, then Linear.

    Accelerators and compilers run it as a convolution: LayerNorm's scale is
    taken into the projection; subtracting a patch's mean is the same as
    subtracting from each row of weights its own mean; then the result is
    divided by the patch's deviation, which comes from windows.

    On CPU, bands of patches small enough for the cache, or all patches of a
    small map, are as fast, and round as the published order of operations
    does. The performer after it
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
        *,
        bias: bool,
        norm_eps: float,
    ) -> None:
        super().__init__(in_channels, dim, kernel, stride, bias=bias)
        self.norm = nn.LayerNorm(self.patch_values, eps=norm_eps)

    def project(self, tokens: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, N, C) on an H x W grid -> (B, N', dim)."""
        cells = self.grid(hw[0]) * self.grid(hw[1])
        values = tokens.shape[0] * cells * self.patch_values
        if bands.pay(tokens, values, self):
            return self.project_in_bands(tokens, hw)
        if (
            bands.applicable(tokens, self)
            or hooked(self)
            or not untouched(self.proj, nn.Linear)
        ):
            return self.proj(self.norm(self.unfold(tokens, hw)))
        return self.project_as_convolution(tokens, hw)

    def project_as_convolution(
        self, tokens: Tensor, hw: tuple[int, int]
    ) -> Tensor:
        """(B, N, C) on an H x W grid -> (B, N', dim)."""
        scaled = self.proj.weight * self.norm.weight
        centred = scaled - scaled.mean(1, keepdim=True)
        offset = F.linear(self.norm.bias, self.proj.weight, self.proj.bias)
        patches = self.convolve(tokens, hw, centred, None)
        scale = self.scale(to_map(tokens, hw)).to(patches.dtype)
        return torch.addcmul(offset.to(patches.dtype), patches, scale)

    def scale(self, feature_map: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, N', 1), one over a patch's deviation.

        The variance of a patch is the mean of its pixels' variances plus the
        variance of their means: no difference of large squares.
        """
        wide = torch.promote_types(feature_map.dtype, torch.float32)
        feature_map = feature_map.to(wide)
        means = feature_map.mean(1, keepdim=True)
        variances = (feature_map - means).square().mean(1, keepdim=True)
        window = (self.kernel, self.stride, self.padding)
        rows, cols = (self.grid(size) for size in feature_map.shape[2:])
        within = F.avg_pool2d(variances, *window).flatten(2)
        pixels = F.unfold(means, self.kernel, 1, self.padding, self.stride)
        between = pixels.var(1, correction=0, keepdim=True)
        scale = (within + between + self.norm.eps).rsqrt()
        # a view, for compilers: N' as one product, as that of the patches
        return scale.view(-1, rows * cols, 1)

    def project_in_bands(self, tokens: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, N, C) on an H x W grid -> (B, N', dim)."""
        padding = (0, 0, *(self.padding,) * 4)
        pixels = F.pad(tokens.unflatten(1, hw), padding)
        batch, rows, cols = tokens.shape[0], *map(self.grid, hw)
        plain = untouched(self.proj, nn.Linear)

        def needed(top: int, bottom: int) -> slice:
            end = (bottom - 1) * self.stride + self.kernel
            return slice(top * self.stride, end)

        def hidden(part: Tensor) -> Tensor:
            maps = part.permute(0, 3, 1, 2)
            patches = F.unfold(maps, self.kernel, stride=self.stride)
            normed = self.norm(patches.transpose(1, 2))
            made = normed if plain else self.proj(normed)
            return made.unflatten(1, (-1, cols))

        # a band holds its patches three times: unfolded, transposed, normed
        held = 3 * cols * self.patch_values
        projected = bands.project(
            pixels,
            bands.Computation(
                bands.divide(batch, rows, held, needed),
                hidden,
                (batch, rows, cols, self.dim),
            ),
            list(self.parameters()),
            self.proj.weight if plain else None,
            self.proj.bias if plain else None,
        )
        return projected.flatten(1, 2)
