"""The backbones written out plainly, from the papers and official numerics.

No tiling, no recomputation, no fused attention, no shared layers: only the
weights are those of the backbone. What is fast must equal this.
"""

from torch import Tensor, nn

from vitdense.backbones.pyramid import PyramidBackbone
from vitdense.reference.weights import Weights


class PlainBackbone(nn.Module):
    """Computes what ``backbone`` does in eval mode, plainly.

    Args:
        backbone: Gives the weights, which stay shared with it.
    """

    def __init__(self, backbone: PyramidBackbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """(B, C, H, W) -> levels (B, C_i, H_i, W_i), finest first."""
        backbone = self.backbone
        named = dict(backbone.named_parameters())
        named.update(backbone.named_buffers())
        family = backbone.family
        levels = family.levels(Weights(named), backbone.arch, images)
        return tuple(levels[i] for i in backbone.out_indices)
