"""The PVTs: Table 1 of arXiv:2102.12122 and of arXiv:2106.13797."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from vitdense.backbones.arch import check_columns, check_heads, is_integer

DESIGNS = ('v1', 'v2', 'v2-li')


@dataclass(frozen=True)
class PVTArch:
    """One PVT: a column of values for each stage.

    Args:
        design: 'v1' (plain patches, position embeddings), 'v2' (overlapping
            patches, convolutional feed-forward) or 'v2-li' (v2 with linear
            spatial reduction).
        dims: Channels.
        depths: Blocks.
        heads: Attention heads.
        mlp_ratios: Width of the feed-forward networks, in channels.
        reductions: Side of the window that becomes one key; 'v2-li' pools
            to a fixed grid instead and does not read it.
        drop_path_rate: Stochastic depth of the last block in detection.
        position_px: v1: side of the image that the position embeddings are
            made for.
    """

    design: str
    dims: tuple[int, ...]
    depths: tuple[int, ...]
    heads: tuple[int, ...]
    mlp_ratios: tuple[int, ...]
    reductions: tuple[int, ...] = (8, 4, 2, 1)
    drop_path_rate: float = 0.1
    position_px: int = 224

    def __post_init__(self) -> None:
        if self.design not in DESIGNS:
            raise ValueError(
                f'PVT: arch field design={self.design!r} is not one of '
                f'{list(DESIGNS)}'
            )
        check_columns(
            'PVT',
            dims=self.dims,
            depths=self.depths,
            heads=self.heads,
            mlp_ratios=self.mlp_ratios,
            reductions=self.reductions,
        )
        check_heads('PVT', self.dims, self.heads)
        least = 2 << len(self.dims)  # the stride of the last stage
        if self.design == 'v1' and (
            not is_integer(self.position_px) or self.position_px < least
        ):
            raise ValueError(
                f'PVT: arch field position_px={self.position_px!r} must be '
                f'{least} or more pixels, one cell of the last stage'
            )


_v1 = partial(
    PVTArch,
    'v1',
    dims=(64, 128, 320, 512),
    heads=(1, 2, 5, 8),
    mlp_ratios=(8, 8, 4, 4),
)
_v2 = partial(
    PVTArch,
    'v2',
    dims=(64, 128, 320, 512),
    heads=(1, 2, 5, 8),
    mlp_ratios=(8, 8, 4, 4),
)

ARCHS: Mapping[str, PVTArch] = MappingProxyType(
    {
        # Table 1 of arXiv:2102.12122; drop path of the detection code
        'tiny': _v1(depths=(2, 2, 2, 2)),
        'small': _v1(depths=(3, 4, 6, 3)),
        'medium': _v1(depths=(3, 4, 18, 3), drop_path_rate=0.0),
        'large': _v1(depths=(3, 8, 27, 3), drop_path_rate=0.0),
        # Table 1 of arXiv:2106.13797
        'v2-b0': _v2(dims=(32, 64, 160, 256), depths=(2, 2, 2, 2)),
        'v2-b1': _v2(depths=(2, 2, 2, 2)),
        'v2-b2': _v2(depths=(3, 4, 6, 3)),
        'v2-b2-li': PVTArch(
            'v2-li',
            dims=(64, 128, 320, 512),
            depths=(3, 4, 6, 3),
            heads=(1, 2, 5, 8),
            mlp_ratios=(8, 8, 4, 4),
        ),
        'v2-b3': _v2(depths=(3, 4, 18, 3)),
        'v2-b4': _v2(depths=(3, 8, 27, 3)),
        'v2-b5': _v2(depths=(3, 6, 40, 3), mlp_ratios=(4, 4, 4, 4)),
    }
)
