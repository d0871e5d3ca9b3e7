"""Patch embeddings: a strided convolution and a LayerNorm.

B images, C channels, H x W grid, N tokens of the patches.
"""

from torch import Tensor, nn

from vitdense.layers.token_conv import TokenConv
from vitdense.layers.tokens import to_tokens


class PatchEmbed(nn.Module):
    """Convolution, then LayerNorm over each patch.

    Args:
        conv: Projection of patches, strided.
        norm_eps: Epsilon of the LayerNorm.
    """

    def __init__(self, conv: TokenConv, norm_eps: float) -> None:
        super().__init__()
        self.proj = conv
        self.norm = nn.LayerNorm(conv.out_channels, eps=norm_eps)

    def forward(self, feature_map: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """(B, C, H, W) -> (B, N, dim) and the grid's rows and columns."""
        height, width = feature_map.shape[2:]
        patches = self.proj(to_tokens(feature_map), (height, width))
        return self.norm(patches), (self.grid(height), self.grid(width))

    def grid(self, size: int) -> int:
        """Cells along an axis of ``size`` pixels or cells of its input."""
        return self.proj.grid(size)
