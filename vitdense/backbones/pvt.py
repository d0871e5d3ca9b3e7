"""Pyramid Vision Transformer, v1 (arXiv:2102.12122) and v2 (2106.13797).

B images, C channels, H x W grid, N = H * W tokens.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitdense.backbones.arch import check_columns
from vitdense.backbones.pyramid import PyramidBackbone, Stage
from vitdense.layers.attention import (
    Attention,
    KeepKeys,
    LinearQKV,
    PooledKeys,
    StridedKeys,
)
from vitdense.layers.block import Block
from vitdense.layers.drop_path import ramp
from vitdense.layers.init import init_transformer
from vitdense.layers.mlp import ConvMlp, Mlp, gelu
from vitdense.layers.patch_embed import PatchEmbed
from vitdense.layers.position import resize_grid
from vitdense.layers.token_conv import PatchConv, TokenConv
from vitdense.registry import MODELS

BLOCK_EPS = 1e-6  # norms of blocks and of v2's stages
PART_EPS = 1e-5  # norms of patch embeddings and of reduced keys
POOLED_KEYS = 7  # side of the grid of v2's linear spatial reduction

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

VARIANTS: Mapping[str, PVTArch] = MappingProxyType(
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


class PositionedStage(Stage):
    """A stage of PVT v1: learned positions are added to the tokens.

    Args:
        grid_hw: Rows and columns that the positions are learned on; other
            grids get them resized, bilinearly as in the official code.
        The others are those of Stage.
    """

    def __init__(
        self,
        patch_embed: PatchEmbed,
        blocks: Iterable[nn.Module],
        dim: int,
        stride: int,
        grid_hw: tuple[int, int],
    ) -> None:
        super().__init__(patch_embed, blocks, nn.Identity(), dim, stride)
        self.grid_hw = grid_hw
        count = grid_hw[0] * grid_hw[1]
        self.pos_embed = nn.Parameter(torch.zeros(1, count, dim))
        nn.init.trunc_normal_(self.pos_embed, std=0.02)

    def embed(self, feature_map: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """(B, C, H, W) -> (B, N, dim) tokens with positions, and grid."""
        tokens, hw = super().embed(feature_map)
        positions = resize_grid(self.pos_embed, self.grid_hw, hw, 'bilinear')
        return tokens + positions, hw


@MODELS.register_module()
class PVT(PyramidBackbone):
    """Pyramid Vision Transformer, v1 and v2; levels at strides 4 to 32.

    Wang et al., arXiv:2102.12122 (Table 1) and arXiv:2106.13797 (Table 1).
    The numerics are those of the official detection code: v1 outputs its
    levels without a norm, v2 after a LayerNorm for each stage.

    Args:
        arch: 'tiny', 'small', 'medium', 'large', 'v2-b0' to 'v2-b5',
            'v2-b2-li', or a mapping with the fields of ``PVTArch``.
        in_channels: Channels of the images.
        drop_path_rate: Stochastic depth of the last block; None takes the
            arch's. The blocks before it ramp up from 0, across all stages.
        out_indices, frozen_stages, norm_eval, with_cp, init_cfg: See
            ``PyramidBackbone``. There is no BatchNorm for ``norm_eval``.

    Raises:
        ValueError, TypeError: If an argument does not fit, naming it.
    """

    family = 'pvt'
    variants = VARIANTS

    def build_stages(
        self, spec: PVTArch, in_channels: int, drop_path_rate: float
    ) -> Iterator[Stage]:
        """Yields the stages; drop path ramps up over all their blocks."""
        return _stages(spec, in_channels, drop_path_rate)


def _stages(spec: PVTArch, in_channels: int, rate: float) -> Iterator[Stage]:
    """Yields the stages of an arch; ``rate`` is that of its last block."""
    rates = iter(ramp(rate, sum(spec.depths)))
    size = spec.position_px
    for index, (dim, depth) in enumerate(
        zip(spec.dims, spec.depths, strict=True)
    ):
        stride = 4 if index == 0 else 2
        block = partial(_block, spec, index)
        # a list: the stages share one ramp, whichever of them are built
        blocks = [block(next(rates)) for _ in range(depth)]
        if spec.design == 'v1':
            conv: TokenConv = PatchConv(in_channels, dim, stride)
            size //= stride
            stage: Stage = PositionedStage(
                PatchEmbed(conv, PART_EPS), blocks, dim, stride, (size, size)
            )
        else:
            kernel = 2 * stride - 1
            conv = TokenConv(in_channels, dim, kernel, stride, kernel // 2)
            norm = nn.LayerNorm(dim, eps=BLOCK_EPS)
            stage = Stage(
                PatchEmbed(conv, PART_EPS), blocks, norm, dim, stride
            )
        init_transformer(stage, conv_fan_out=spec.design != 'v1')
        yield stage
        in_channels = dim


def _block(spec: PVTArch, index: int, drop_path_rate: float) -> Block:
    dim = spec.dims[index]
    ratio = spec.reductions[index]
    hidden = dim * spec.mlp_ratios[index]
    if spec.design == 'v2-li':
        reduce: nn.Module = PooledKeys(dim, POOLED_KEYS, PART_EPS)
    elif ratio == 1:
        reduce = KeepKeys()
    else:
        reduce = StridedKeys(dim, ratio, PART_EPS)
    mlps: Mapping[str, Callable[[], Mlp]] = {
        'v1': lambda: Mlp(dim, hidden, gelu),
        'v2': lambda: ConvMlp(dim, hidden, gelu, nn.Identity()),
        'v2-li': lambda: ConvMlp(dim, hidden, gelu, F.relu),
    }
    return Block(
        dim,
        Attention(dim, spec.heads[index], LinearQKV(dim, reduce, True), None),
        mlps[spec.design](),
        BLOCK_EPS,
        drop_path_rate,
    )
