"""Patch embeddings: a strided convolution and a LayerNorm.

B images, C channels, H x W grid, N = H * W tokens; primes mark the result's.
"""

from torch import Tensor, nn

from vitdense.layers.token_conv import TokenConv


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

    def forward(
        self, tokens: Tensor, hw: tuple[int, int]
    ) -> tuple[Tensor, tuple[int, int]]:
        """(B, N, C) on an H x W grid -> (B, N', C') and its H' x W' grid."""
        patches = self.norm(self.proj(tokens, hw))
        return patches, (self.grid(hw[0]), self.grid(hw[1]))

    def grid(self, size: int) -> int:
        """Cells along an axis of ``size`` pixels or cells of its input."""
        return self.proj.grid(size)
