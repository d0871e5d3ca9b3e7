"""A BatchNorm before a linear head, as in DINOv3 (arXiv:2508.10104).

B images, C channels, H x W cells.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from vitdense.registry import MODELS

# by the names that mmcv gives them
NORMS = {'SyncBN': nn.SyncBatchNorm, 'BN': nn.BatchNorm2d}


@MODELS.register_module()
class BatchNormNeck(BaseModule):
    """A BatchNorm for each level, of whole channels left out at random.

    The official linear head is this and a 1 x 1 convolution: features of a
    frozen backbone have no common scale.

    Args:
        in_channels: Channels of the levels.
        dropout: How often a channel of an image is set to 0, in training.
        norm: 'SyncBN', over the images of all processes, or 'BN'.
        init_cfg: As mmengine has it.

    Raises:
        ValueError: If an argument does not fit, naming it.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        dropout: float = 0.1,
        norm: str = 'SyncBN',
        init_cfg: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if (
            not isinstance(in_channels, list | tuple)
            or not in_channels
            or not all(type(c) is int and c > 0 for c in in_channels)
        ):
            raise ValueError(
                f'{type(self).__name__}: in_channels={in_channels!r} must '
                'list the channels of each level'
            )
        if (
            not isinstance(dropout, int | float)
            or isinstance(dropout, bool)
            or not 0 <= dropout < 1
        ):
            raise ValueError(
                f'{type(self).__name__}: dropout={dropout!r} is not in [0, 1)'
            )
        if norm not in list(NORMS):
            raise ValueError(
                f'{type(self).__name__}: norm={norm!r} is not one of '
                f'{list(NORMS)}'
            )
        self.in_channels = tuple(in_channels)
        self.dropout = dropout
        self.norms = nn.ModuleList(
            NORMS[norm](channels) for channels in in_channels
        )

    def forward(self, levels: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Levels (B, C_i, H_i, W_i) -> the same, normed over the batch."""
        return tuple(
            norm(F.dropout2d(level, self.dropout, self.training))
            for norm, level in zip(self.norms, levels, strict=True)
        )
