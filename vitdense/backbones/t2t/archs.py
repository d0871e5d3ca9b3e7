"""The T2T-ViTs: published ones with a stage at stride 32, and pyramids."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from vitdense.backbones.arch import check_columns, check_heads, is_integer
from vitdense.backbones.t2t.dense import widths

PUBLISHED_STRIDE = 16  # of the published tokens, in pixels

DESIGNS = ('performer', 'transformer', 'pyramid')
BLOCKS = ('plain', 'ghost', 'dense')


@dataclass(frozen=True)
class T2TArch:
    """One T2T-ViT: a column of values for each stage.

    Args:
        design: 'performer' or 'transformer': a published T2T-ViT and a stage
            at stride 32. Its first two stages are T2T modules, with that
            attention, and have one block of one head. 'pyramid': each stage
            is a soft split and transformer blocks.
        dims: Channels.
        depths: Blocks.
        heads: Attention heads.
        mlp_ratios: Width of the feed-forward networks, in channels.
        reductions: Side of the window of tokens that becomes one key; 1 in
            the published stages.
        se_reduction: Squeeze-and-excitation after the attention of the third
            stage, with that reduction; 0 for none.
        blocks: Those of the published network, our third stage: 'plain',
            'ghost' (half of the channels are others times a factor) or
            'dense' (each hands on all that was before). The third of
            ``dims`` is then what the last one hands on.
        growth: Channels that a dense block adds; 0 for others.
        groups: Dense blocks between which channels are halved, such as
            (3, 6, 6, 4); empty for others.
        drop_path_rate: Stochastic depth of the last block.
        position_px: Side of the image that the third stage's position table
            is made for; read by 'performer' and 'transformer'.
    """

    design: str
    dims: tuple[int, ...]
    depths: tuple[int, ...]
    heads: tuple[int, ...]
    mlp_ratios: tuple[int, ...]
    reductions: tuple[int, ...] = (1, 1, 1, 1)
    se_reduction: int = 0
    blocks: str = 'plain'
    growth: int = 0
    groups: tuple[int, ...] = ()
    drop_path_rate: float = 0.1
    position_px: int = 224

    def __post_init__(self) -> None:
        if self.design not in DESIGNS:
            raise ValueError(
                f'T2TViT: arch field design={self.design!r} is not one of '
                f'{list(DESIGNS)}'
            )
        check_columns(
            'T2TViT',
            dims=self.dims,
            depths=self.depths,
            heads=self.heads,
            mlp_ratios=self.mlp_ratios,
            reductions=self.reductions,
        )
        check_heads('T2TViT', self.dims, self.heads)
        third = self.dims[2] if len(self.dims) > 2 else 0
        if not is_integer(self.se_reduction) or not (
            0 <= self.se_reduction <= third
        ):
            raise ValueError(
                f'T2TViT: arch field se_reduction={self.se_reduction!r} must '
                f'be 0 or at most {third}, the third of dims={self.dims}'
            )
        if self.design != 'pyramid':
            self._check_published()
        self._check_blocks()

    def _check_published(self) -> None:
        if len(self.dims) != 4:
            raise ValueError(
                f'T2TViT: design {self.design!r} has 4 stages; arch field '
                f'dims={self.dims!r} lists {len(self.dims)}'
            )
        for name, fixed in (
            ('depths', (1, 1)),
            ('heads', (1, 1)),
            ('reductions', (1, 1, 1)),
        ):
            column = getattr(self, name)
            if column[: len(fixed)] != fixed:
                raise ValueError(
                    f'T2TViT: arch field {name}={column!r} must begin with '
                    f'{fixed}, as design {self.design!r} does'
                )
        if min(self.dims) < 2:
            raise ValueError(
                f'T2TViT: arch field dims={self.dims!r} must be 2 or more'
            )
        if (
            not is_integer(self.position_px)
            or self.position_px < PUBLISHED_STRIDE
        ):
            raise ValueError(
                f'T2TViT: arch field position_px={self.position_px!r} must be '
                f'{PUBLISHED_STRIDE} or more pixels'
            )

    def _check_blocks(self) -> None:
        if self.blocks not in BLOCKS:
            raise ValueError(
                f'T2TViT: arch field blocks={self.blocks!r} is not one of '
                f'{list(BLOCKS)}'
            )
        unlike = self.design == 'pyramid' or self.se_reduction
        if self.blocks != 'plain' and unlike:
            raise ValueError(
                f'T2TViT: arch field blocks={self.blocks!r} goes with designs '
                "'performer' and 'transformer' without se_reduction alone"
            )
        if self.blocks != 'dense':
            if self.growth or self.groups:
                raise ValueError(
                    f'T2TViT: arch fields growth={self.growth!r} and groups='
                    f"{self.groups!r} are of blocks='dense' alone"
                )
            if self.blocks == 'ghost' and self.dims[2] % 2:
                raise ValueError(
                    f'T2TViT: arch field dims={self.dims!r}: the third must '
                    "be even with blocks='ghost'"
                )
            return
        fit = (
            is_integer(self.growth)
            and self.growth > 0
            and isinstance(self.groups, tuple)
            and len(self.groups) > 0
            and all(is_integer(c) and c > 0 for c in self.groups)
            and sum(self.groups) == self.depths[2]
        )
        if not fit or any(
            width < 1 or width % self.heads[2]
            for group in self.dense_widths
            for width in group
        ):
            raise ValueError(
                f'T2TViT: arch fields growth={self.growth!r} and groups='
                f'{self.groups!r} must be positive, with groups that sum to '
                f'{self.depths[2]}, the third of depths, and widths before '
                f'{self.dims[2]}, the third of dims, that {self.heads[2]} '
                'heads divide'
            )

    @property
    def dense_widths(self) -> tuple[tuple[int, ...], ...]:
        """Channels that each dense block takes, group by group."""
        return widths(self.dims[2], self.growth, self.groups)

    @property
    def embed_dim(self) -> int:
        """Channels that the blocks of the third stage begin with."""
        return self.dense_widths[0][0] if self.groups else self.dims[2]


def _published(
    design: str,
    dim: int,
    depth: int,
    heads: int,
    mlp_ratio: int,
    se_reduction: int = 0,
) -> T2TArch:
    """A published T2T-ViT, and two more of its blocks at stride 32."""
    return T2TArch(
        design,
        dims=(64, 64, dim, dim),
        depths=(1, 1, depth, 2),
        heads=(1, 1, heads, heads),
        mlp_ratios=(1, 1, mlp_ratio, mlp_ratio),
        se_reduction=se_reduction,
    )


ARCHS: Mapping[str, T2TArch] = MappingProxyType(
    {
        # Tables 1 and 2 of arXiv:2101.11986, and the official code
        '7': _published('performer', 256, 7, 4, 2),
        '10': _published('performer', 256, 10, 4, 2),
        '12': _published('performer', 256, 12, 4, 2),
        '14': _published('performer', 384, 14, 6, 3),
        '19': _published('performer', 448, 19, 7, 3),
        '24': _published('performer', 512, 24, 8, 3),
        't-14': _published('transformer', 384, 14, 6, 3),
        't-19': _published('transformer', 448, 19, 7, 3),
        't-24': _published('transformer', 512, 24, 8, 3),
        '14-se': _published('performer', 384, 14, 6, 3, se_reduction=16),
        '14-resnext': _published('performer', 384, 14, 32, 3),
        '14-wide': _published('performer', 768, 4, 12, 3),
        '16-ghost': replace(
            _published('performer', 384, 16, 6, 3), blocks='ghost'
        ),
        'dense': replace(
            _published('performer', 584, 19, 8, 2),
            blocks='dense',
            growth=64,
            groups=(3, 6, 6, 4),
        ),
        # ours, in the parameter budgets of PVT-Tiny and PVT-Small: section
        # 3.2 of the paper found deep and narrow to be best
        'pyramid-t': T2TArch(
            'pyramid',
            dims=(64, 128, 192, 320),
            depths=(2, 2, 16, 2),
            heads=(1, 2, 3, 5),
            mlp_ratios=(3, 3, 3, 3),
            reductions=(8, 4, 2, 1),
        ),
        'pyramid-s': T2TArch(
            'pyramid',
            dims=(64, 128, 256, 384),
            depths=(3, 4, 18, 2),
            heads=(1, 2, 4, 6),
            mlp_ratios=(3, 3, 3, 3),
            reductions=(8, 4, 2, 1),
        ),
    }
)
