"""The CvTs: Table 2 of arXiv:2103.15808."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from vitdense.backbones.arch import check_columns, check_heads


@dataclass(frozen=True)
class CvTArch:
    """One CvT: a column of values for each stage.

    Args:
        dims: Channels.
        depths: Blocks.
        heads: Attention heads.
        mlp_ratios: Width of the feed-forward networks, in channels.
        drop_path_rate: Stochastic depth of the last stage's last block.
    """

    dims: tuple[int, ...]
    depths: tuple[int, ...]
    heads: tuple[int, ...]
    mlp_ratios: tuple[int, ...] = (4, 4, 4)
    drop_path_rate: float = 0.1

    def __post_init__(self) -> None:
        check_columns(
            'CvT',
            dims=self.dims,
            depths=self.depths,
            heads=self.heads,
            mlp_ratios=self.mlp_ratios,
        )
        check_heads('CvT', self.dims, self.heads)


# Table 2 of arXiv:2103.15808; drop path of the official configs
ARCHS: Mapping[str, CvTArch] = MappingProxyType(
    {
        '13': CvTArch(dims=(64, 192, 384), depths=(1, 2, 10), heads=(1, 3, 6)),
        '21': CvTArch(dims=(64, 192, 384), depths=(1, 4, 16), heads=(1, 3, 6)),
        'w24': CvTArch(
            dims=(192, 768, 1024),
            depths=(2, 2, 20),
            heads=(3, 12, 16),
            drop_path_rate=0.3,
        ),
    }
)
