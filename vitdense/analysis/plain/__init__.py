"""The backbones written out plainly, from the papers and official numerics.

No tiling, no recomputation, no fused attention, no shared layers: only the
weights are those of the backbone. What is fast must equal this.
"""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from vitdense.analysis.plain import cvt, pvt, t2t
from vitdense.analysis.plain.weights import Weights
from vitdense.backbones.arch import resolve_arch
from vitdense.backbones.cvt import VARIANTS as CVT_VARIANTS
from vitdense.backbones.pvt import VARIANTS as PVT_VARIANTS
from vitdense.backbones.pyramid import PyramidBackbone
from vitdense.backbones.t2t_arch import VARIANTS as T2T_VARIANTS

Levels = Callable[[Weights, Any, Tensor], list[Tensor]]

FAMILIES: Mapping[str, tuple[Levels, Mapping[str, Any]]] = {
    'cvt': (cvt.levels, CVT_VARIANTS),
    'pvt': (pvt.levels, PVT_VARIANTS),
    't2t': (t2t.levels, T2T_VARIANTS),
}


class PlainBackbone(nn.Module):
    """Computes what ``backbone`` does in eval mode, plainly.

    Args:
        backbone: Gives the weights, which stay shared with it.
        arch: The ``arch`` it was built with.
    """

    def __init__(
        self, backbone: PyramidBackbone, arch: str | Mapping[str, Any]
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self._levels, variants = FAMILIES[backbone.family]
        _, self._arch = resolve_arch('plain', arch, variants)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """(B, C, H, W) -> levels (B, C_i, H_i, W_i), finest first."""
        backbone = self.backbone
        named = dict(backbone.named_parameters())
        named.update(backbone.named_buffers())
        levels = self._levels(Weights(named), self._arch, images)
        return tuple(levels[i] for i in backbone.out_indices)
