"""What a classifier reads of a last map that has no norm.

B images, C channels, H x W cells, N = H * W tokens.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.model import BaseModule
from torch import Tensor, nn

from vitdense.layers.tokens import to_tokens
from vitdense.registry import MODELS

EPS = 1e-5  # CvT's (microsoft/CvT lib/models/cls_cvt.py)


@MODELS.register_module()
class NormedPooling(BaseModule):
    """The mean of a map's tokens after a LayerNorm.

    What CvT's code does where it has no class token. For backbones whose
    levels have no final norm, CvT and PVT v1; a plain mean does for others.

    Args:
        in_channels: Channels of the last map.
        init_cfg: As mmengine has it.
    """

    def __init__(
        self, in_channels: int, init_cfg: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(init_cfg)
        self.norm = nn.LayerNorm(in_channels, eps=EPS)

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor]:
        """Maps, of which the last is (B, C, H, W) -> (B, C), alone."""
        return (self.norm(to_tokens(maps[-1])).mean(1),)
