"""Pyramid Vision Transformer, v1 (arXiv:2102.12122) and v2 (2106.13797).

B images, C channels, H x W grid, N = H * W tokens; primes mark the result's.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from vitdense.backbones.family import Family
from vitdense.backbones.pvt.archs import ARCHS, PVTArch
from vitdense.backbones.pvt.keys import PooledKeys
from vitdense.backbones.pvt.layouts import LAYOUTS
from vitdense.backbones.pvt.mlp import ConvMlp
from vitdense.backbones.pvt.published import PUBLISHED
from vitdense.backbones.pvt.reference import levels
from vitdense.backbones.pyramid import PyramidBackbone
from vitdense.backbones.stage import Stage
from vitdense.layers.attention import (
    Attention,
    KeepKeys,
    LinearQKV,
    StridedKeys,
)
from vitdense.layers.block import Block
from vitdense.layers.drop_path import ramp
from vitdense.layers.init import init_transformer
from vitdense.layers.mlp import GELU, RELU, Mlp
from vitdense.layers.patch_embed import PatchEmbed
from vitdense.layers.position import resize_grid
from vitdense.layers.token_conv import PatchConv, TokenConv
from vitdense.registry import MODELS

BLOCK_EPS = 1e-6  # norms of blocks and of v2's stages
PART_EPS = 1e-5  # norms of patch embeddings and of reduced keys
POOLED_KEYS = 7  # side of the grid of v2's linear spatial reduction


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

    def embed(
        self, tokens: Tensor, hw: tuple[int, int]
    ) -> tuple[Tensor, tuple[int, int]]:
        """(B, N, C) -> (B, N', dim) with positions added, and its grid."""
        tokens, hw = super().embed(tokens, hw)
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
        out_indices, frozen_stages, norm_eval, with_cp, init_cfg, tune: See
            ``PyramidBackbone``. There is no BatchNorm for ``norm_eval``.

    Raises:
        ValueError, TypeError: If an argument does not fit, naming it.
    """

    family = Family('pvt', ARCHS, LAYOUTS, levels, PUBLISHED)

    def build_stages(
        self, arch: PVTArch, in_channels: int, drop_path_rate: float
    ) -> Iterator[Stage]:
        """Yields the stages; drop path ramps up over all their blocks."""
        rates = iter(ramp(drop_path_rate, sum(arch.depths)))
        size = arch.position_px
        for index, (dim, depth) in enumerate(
            zip(arch.dims, arch.depths, strict=True)
        ):
            stride = 4 if index == 0 else 2
            block = partial(_block, arch, index)
            # a list: the stages share one ramp, whichever of them are built
            blocks = [block(next(rates)) for _ in range(depth)]
            if arch.design == 'v1':
                conv: TokenConv = PatchConv(in_channels, dim, stride)
                embed = PatchEmbed(conv, PART_EPS)
                size //= stride
                stage: Stage = PositionedStage(
                    embed, blocks, dim, stride, (size, size)
                )
            else:
                kernel = 2 * stride - 1
                conv = TokenConv(in_channels, dim, kernel, stride, kernel // 2)
                embed = PatchEmbed(conv, PART_EPS)
                norm = nn.LayerNorm(dim, eps=BLOCK_EPS)
                stage = Stage(embed, blocks, norm, dim, stride)
            init_transformer(stage, conv_fan_out=arch.design != 'v1')
            yield stage
            in_channels = dim


def _block(arch: PVTArch, index: int, drop_path_rate: float) -> Block:
    dim = arch.dims[index]
    ratio = arch.reductions[index]
    hidden = dim * arch.mlp_ratios[index]
    if arch.design == 'v2-li':
        reduce: nn.Module = PooledKeys(dim, POOLED_KEYS, PART_EPS)
    elif ratio == 1:
        reduce = KeepKeys()
    else:
        reduce = StridedKeys(dim, ratio, PART_EPS)
    mlps: Mapping[str, Callable[[], Mlp]] = {
        'v1': lambda: Mlp(dim, hidden, GELU),
        'v2': lambda: ConvMlp(dim, hidden, GELU),
        'v2-li': lambda: ConvMlp(dim, hidden, GELU, conv_act=RELU),
    }
    return Block(
        dim,
        Attention(dim, arch.heads[index], LinearQKV(dim, reduce, bias=True)),
        mlps[arch.design](),
        norm_eps=BLOCK_EPS,
        drop_path_rate=drop_path_rate,
    )
