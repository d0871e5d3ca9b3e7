"""Patch embeddings: a strided convolution and a LayerNorm.

B images, C channels, H x W grid, N = H * W tokens.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitdense.layers.tokens import to_tokens


class PatchConv(nn.Conv2d):
    """Convolution over non-overlapping patches: kernel = stride, no padding.

    One reshape and one matrix product. Rows and columns that do not fill a
    patch are left out, as a convolution does.
    """

    def __init__(self, in_channels: int, dim: int, patch: int) -> None:
        super().__init__(in_channels, dim, patch, stride=patch)

    def forward(self, feature_map: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, dim, H // patch, W // patch)."""
        patch = self.kernel_size[0]
        rows, cols = (size // patch for size in feature_map.shape[2:])
        pixels = feature_map.permute(0, 2, 3, 1)
        pixels = pixels[:, : rows * patch, : cols * patch]
        patches = pixels.unflatten(2, (cols, patch)).unflatten(
            1, (rows, patch)
        )
        # (B, rows, patch, cols, patch, C) -> (B, rows, cols, patch^2 * C)
        patches = patches.transpose(2, 3).flatten(3)
        weight = self.weight.permute(0, 2, 3, 1).flatten(1)
        return F.linear(patches, weight, self.bias).permute(0, 3, 1, 2)


class OverlapConv(nn.Conv2d):
    """Strided convolution whose padding keeps ``ceil(size / stride)`` cells.

    For odd kernels with ``padding = kernel // 2``; CvT's first embedding
    pads by 2 instead of 3, hence the argument.
    """

    def __init__(
        self, in_channels: int, dim: int, kernel: int, stride: int, pad: int
    ) -> None:
        super().__init__(in_channels, dim, kernel, stride, pad)

    def forward(self, feature_map: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, dim, H', W'), channels-last in memory."""
        return super().forward(
            feature_map.contiguous(memory_format=torch.channels_last)
        )


class PatchEmbed(nn.Module):
    """Convolution, then LayerNorm over each patch.

    Args:
        conv: Projection of patches, a strided ``nn.Conv2d``.
        norm_eps: Epsilon of the LayerNorm.
    """

    def __init__(self, conv: nn.Conv2d, norm_eps: float) -> None:
        super().__init__()
        self.proj = conv
        self.norm = nn.LayerNorm(conv.out_channels, eps=norm_eps)

    def forward(self, feature_map: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """(B, C, H, W) -> (B, N, dim) and the grid's rows and columns."""
        patches = self.proj(feature_map)
        rows, cols = patches.shape[2:]
        return self.norm(to_tokens(patches)), (rows, cols)

    def grid(self, size: int) -> int:
        """Cells along an axis of ``size`` pixels or cells of its input."""
        conv = self.proj
        # what the convolution itself would give: no layer pads by name
        return int(
            (size + 2 * int(conv.padding[0]) - conv.kernel_size[0])
            // conv.stride[0]
            + 1
        )
