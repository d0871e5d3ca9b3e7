"""The backbones written out plainly, from the papers and official numerics.

No tiling, no recomputation, no fused attention, no shared layers: only the
weights are those of the backbone. What is fast must equal this.
"""

import torch
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
        levels = family.reference(Weights(named), backbone.arch, images)
        return tuple(levels[i] for i in backbone.out_indices)


def draw_weights(model: nn.Module) -> None:
    """Draws weights with which every part of a network shows in its output.

    As trained ones do; with freshly initialised ones attention is nearly
    uniform, and a wrong scale would hide in rounding.
    """
    generator = torch.Generator().manual_seed(0)
    statistics = (b for b in model.named_buffers() if 'running_' in b[0])
    with torch.no_grad():
        for name, p in (*model.named_parameters(), *statistics):
            x = torch.randn(p.shape, generator=generator)
            if name.endswith('running_var'):
                x = 1 + 0.1 * x.abs()
            elif name.endswith(('bias', 'running_mean')):
                x *= 0.1
            elif p.dim() == 1:
                x = 1 + 0.1 * x
            else:
                x /= x[0].numel() ** 0.5
            p.copy_(x)
