"""A pyramid of one map, as in ViTDet (arXiv:2203.16527).

B images, C channels, H x W cells.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from vitdense.layers.tokens import to_map, to_tokens
from vitdense.registry import MODELS

EPS = 1e-6  # of every LayerNorm
SCALES = (0.25, 0.5, 1, 2)  # of the levels, as parts of the map's stride


@MODELS.register_module()
class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of each cell of a map.

    Also ``norm_cfg=dict(type='vitdense.ChannelNorm')`` of heads.
    """

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, H, W) -> the same."""
        hw = (maps.shape[2], maps.shape[3])
        return to_map(super().forward(to_tokens(maps)), hw)


@MODELS.register_module()
class SimpleFeaturePyramid(BaseModule):
    """The simple feature pyramid: levels at 1/4 to 2 times a map's stride.

    Li et al., arXiv:2203.16527, Section 3. Finer levels are made by
    deconvolutions, the coarser by max-pooling, all of the one map; further
    levels by max-pooling the last.

    Departs from upstream: a last odd row or column is pooled too, so that
    maps of any size have every level.

    Args:
        in_channels: Channels of the map, in a list of one.
        out_channels: Channels of every level.
        num_outs: Levels, at least those up to twice the map's stride.
        in_stride: Stride of the map, in pixels.
        start_level: The finest level made, 0 at 1/4 of the map's stride, as
            in FPN; what a head does not take should not be made.
        init_cfg: As mmengine has it.

    Attributes:
        out_strides: Strides of the levels, in pixels.

    Raises:
        ValueError: If an argument does not fit, naming it.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: int = 256,
        num_outs: int = 5,
        in_stride: int = 16,
        start_level: int = 0,
        init_cfg: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if type(start_level) is not int or not 0 <= start_level < len(SCALES):
            raise ValueError(
                f'{type(self).__name__}: start_level={start_level!r} must be '
                f'one of {list(range(len(SCALES)))}'
            )
        if not isinstance(in_channels, list | tuple) or len(in_channels) != 1:
            raise ValueError(
                f'{type(self).__name__}: in_channels={in_channels!r} must '
                'list the channels of one map; give the backbone one of '
                'out_indices'
            )
        for name, value, least in (
            ('in_channels', in_channels[0], 4),
            ('out_channels', out_channels, 1),
            ('num_outs', num_outs, len(SCALES) - start_level),
            ('in_stride', in_stride, 1),
        ):
            if type(value) is not int or value < least:
                raise ValueError(
                    f'{type(self).__name__}: {name}={value!r} must be an '
                    f'integer from {least} on'
                )
        (dim,) = in_channels
        self.in_channels = tuple(in_channels)
        self.in_stride = in_stride
        self.out_channels = out_channels
        self.num_outs = num_outs
        further = range(2, start_level + num_outs - 2)
        scales = [*SCALES, *(2**k for k in further)][start_level:]
        strides = [in_stride * scale for scale in scales]
        self.out_strides = tuple(int(s) if s == int(s) else s for s in strides)
        rescale: tuple[list[nn.Module], ...] = (
            [
                nn.ConvTranspose2d(dim, dim // 2, 2, 2),
                ChannelNorm(dim // 2, eps=EPS),
                nn.GELU(),
                nn.ConvTranspose2d(dim // 2, dim // 4, 2, 2),
            ],
            [nn.ConvTranspose2d(dim, dim // 2, 2, 2)],
            [],
            [nn.MaxPool2d(2, 2, ceil_mode=True)],
        )
        widths = (dim // 4, dim // 2, dim, dim)
        self.levels = nn.ModuleList(
            nn.Sequential(
                *parts,
                nn.Conv2d(width, out_channels, 1, bias=False),
                ChannelNorm(out_channels, eps=EPS),
                nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False),
                ChannelNorm(out_channels, eps=EPS),
            )
            for parts, width in zip(
                rescale[start_level:], widths[start_level:], strict=True
            )
        )

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """One map (B, C, H, W) -> ``num_outs`` levels, finest first."""
        (given,) = maps
        levels = [level(given) for level in self.levels]
        while len(levels) < self.num_outs:
            levels.append(F.max_pool2d(levels[-1], 1, 2))
        return tuple(levels)
