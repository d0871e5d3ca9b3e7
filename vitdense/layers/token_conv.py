"""Convolutions of tokens on their grid.

B images, H x W grid, N = H * W tokens, C channels; primes mark the result's.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from vitdense.layers.convolve import cells, convolve, plainly_laid_out


class TokenConv(nn.Conv2d):
    """A convolution of tokens, as ``nn.Conv2d`` is of maps.

    Args:
        in_channels: C.
        dim: C'.
        kernel: Side of the kernel, in tokens.
        stride: Tokens from one result to the next, along an axis.
        padding: Rows and columns of zeros on each side.
        groups: Divides the channels; ``dim`` for a depthwise convolution.
        bias: Whether a bias is added.
    """

    def __init__(
        self,
        in_channels: int,
        dim: int,
        kernel: int,
        stride: int,
        padding: int,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__(
            in_channels,
            dim,
            kernel,
            stride,
            padding,
            groups=groups,
            bias=bias,
        )

    def forward(  # type: ignore[override]
        self, tokens: Tensor, hw: tuple[int, int]
    ) -> Tensor:
        """(B, N, C) on an H x W grid -> (B, N', C')."""
        return self.convolve(tokens, hw, self.weight, self.bias)

    def convolve(
        self,
        tokens: Tensor,
        hw: tuple[int, int],
        weight: Tensor,
        bias: Tensor | None,
    ) -> Tensor:
        """``forward`` with other weights."""
        settings = self.stride[0], int(self.padding[0]), self.groups
        return convolve(tokens, hw, weight, bias, *settings)

    def grid(self, size: int) -> int:
        """Cells of the result along an axis of ``size`` tokens."""
        return cells(
            size, self.kernel_size[0], self.stride[0], int(self.padding[0])
        )


class PatchConv(TokenConv):
    """Convolution over non-overlapping patches: kernel = stride, no padding.

    One reshape and one matrix product. Rows and columns that do not fill a
    patch are left out, as a convolution does.

    Args:
        in_channels: C.
        dim: C'.
        patch: Side of a patch, in tokens.
    """

    def __init__(self, in_channels: int, dim: int, patch: int) -> None:
        super().__init__(in_channels, dim, patch, patch, 0)

    def convolve(
        self,
        tokens: Tensor,
        hw: tuple[int, int],
        weight: Tensor,
        bias: Tensor | None,
    ) -> Tensor:
        """(B, N, C) on an H x W grid -> (B, N', C')."""
        patch = self.kernel_size[0]
        rows, cols = (size // patch for size in hw)
        grid = tokens.unflatten(1, hw)[:, : rows * patch, : cols * patch]
        patches = grid.unflatten(2, (cols, patch)).unflatten(1, (rows, patch))
        # (B, H', patch, W', patch, C) -> (B, N', patch^2 * C)
        patches = patches.transpose(2, 3).flatten(3).flatten(1, 2)
        rows_of_weights = plainly_laid_out(weight).permute(0, 2, 3, 1)
        return F.linear(patches, rows_of_weights.flatten(1), bias)
