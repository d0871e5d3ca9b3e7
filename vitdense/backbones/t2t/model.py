"""Hierarchical Tokens-to-Token ViT (arXiv:2101.11986).

B images, C channels, H x W grid, N = H * W tokens.

Names of the published weights in the T2T modules, i = 1, 2 (those of the
blocks differ little), and ours after ``stages.{i - 1}.``:

======================================  ===================
``attention{i}.norm1``                  patch_embed.norm
``attention{i}.kqv`` or ``.attn.qkv``   patch_embed.proj
``attention{i}.w``                      blocks.0.attn.w
``attention{i}.proj`` or ``attn.proj``  blocks.0.attn.proj
``attention{i}.norm2``                  blocks.0.norm2
``attention{i}.mlp.0`` or ``mlp.fc1``   blocks.0.mlp.fc1
``attention{i}.mlp.2`` or ``mlp.fc2``   blocks.0.mlp.fc2
======================================  ===================
"""

from collections.abc import Iterable, Iterator
from itertools import chain, repeat

import torch
from torch import Tensor, nn

from vitdense.backbones.family import Family
from vitdense.backbones.pyramid import PyramidBackbone
from vitdense.backbones.stage import Stage
from vitdense.backbones.t2t.archs import ARCHS, PUBLISHED_STRIDE, T2TArch
from vitdense.backbones.t2t.dense import DenseBlock, Transition
from vitdense.backbones.t2t.ghost import GhostMlp, GhostQKV
from vitdense.backbones.t2t.layouts import LAYOUTS
from vitdense.backbones.t2t.module import (
    T2TAttention,
    T2TBlock,
    T2TPerformer,
)
from vitdense.backbones.t2t.published import PUBLISHED
from vitdense.backbones.t2t.reference import levels
from vitdense.backbones.t2t.soft_split import NormedSoftSplit, SoftSplit
from vitdense.backbones.t2t.squeeze_excite import ExcitedAttention
from vitdense.layers.attention import (
    Attention,
    KeepKeys,
    LinearQKV,
    StridedKeys,
)
from vitdense.layers.block import Block
from vitdense.layers.drop_path import ramp
from vitdense.layers.init import init_transformer
from vitdense.layers.mlp import GELU, Mlp
from vitdense.layers.position import resize_grid, sinusoid_table
from vitdense.layers.tokens import prepend
from vitdense.registry import MODELS

EPS = 1e-5  # of every LayerNorm


class PublishedStage(Stage):
    """The published blocks: with a class token and fixed positions.

    The class token takes part in attention and is dropped after the blocks.
    The final norm is that of the level; what follows the published network
    goes on from before it.

    Args:
        grid_hw: Rows and columns that the position table is made for; other
            grids get it resized, bicubically as in the official code.
        embed_dim: Channels of the tokens before the blocks.
        The others are those of Stage.
    """

    def __init__(
        self,
        patch_embed: nn.Module,
        blocks: Iterable[nn.Module],
        norm: nn.Module,
        dim: int,
        stride: int,
        grid_hw: tuple[int, int],
        embed_dim: int,
    ) -> None:
        super().__init__(patch_embed, blocks, norm, dim, stride)
        self.grid_hw = grid_hw
        self.cls_token = nn.Parameter(torch.zeros(1, 1, embed_dim))
        nn.init.trunc_normal_(self.cls_token, std=0.02)
        self.pos_embed: Tensor
        table = sinusoid_table(1 + grid_hw[0] * grid_hw[1], embed_dim)
        self.register_buffer('pos_embed', table)

    def forward(
        self, tokens: Tensor, hw: tuple[int, int]
    ) -> tuple[Tensor, tuple[int, int]]:
        """(B, N, C) on an H x W grid -> (B, N', dim) and its grid."""
        patches, hw = self.embed(tokens, hw)
        positions = resize_grid(
            self.pos_embed[:, 1:], self.grid_hw, hw, 'bicubic'
        )
        cls_token = self.cls_token + self.pos_embed[:, :1]
        tokens = prepend(cls_token, patches + positions)
        return self.run_blocks(tokens, hw)[:, 1:], hw

    def level(self, tokens: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, N', dim) as handed on -> the level (B, dim, H', W')."""
        return super().level(self.norm(tokens), hw)


@MODELS.register_module()
class T2TViT(PyramidBackbone):
    """Tokens-to-Token ViT as a pyramid; levels at strides 4 to 32.

    Yuan et al., arXiv:2101.11986. The levels at strides 4, 8 and 16 are the
    tokens of the published network, those at 16 after its final norm. Stride
    32 is one more soft split, of the tokens before that norm, two more
    blocks of the same width, and a norm. 'pyramid-t' and 'pyramid-s' are new:
    four stages of soft split, blocks and norm, with fewer keys than queries
    up to stride 16.

    Departs from upstream: the performer's T2T modules have no dropout
    (published: 0.1 in training), as their outputs are levels that a neck
    reads; positions are resized as class token and grid.

    Args:
        arch: '7', '10', '12', '14', '19', '24' (performer), 't-14', 't-19',
            't-24' (transformer), '14-se', '14-resnext', '14-wide',
            '16-ghost', 'dense', 'pyramid-t', 'pyramid-s', or a mapping with
            the fields of ``T2TArch``.
        in_channels: Channels of the images.
        drop_path_rate: Stochastic depth of the last block; None takes the
            arch's. It ramps up from 0 over the blocks of the published
            network (those at stride 32 have the full rate), or over those of
            all stages in a pyramid.
        out_indices, frozen_stages, norm_eval, with_cp, init_cfg, tune: See
            ``PyramidBackbone``. There is no BatchNorm for ``norm_eval``.

    Raises:
        ValueError, TypeError: If an argument does not fit, naming it.
    """

    family = Family('t2t', ARCHS, LAYOUTS, levels, PUBLISHED)

    def build_stages(
        self, arch: T2TArch, in_channels: int, drop_path_rate: float
    ) -> Iterator[Stage]:
        """Yields the stages, each from a soft split on."""
        rates = _rates(arch, drop_path_rate)
        for index, dim in enumerate(arch.dims):
            if arch.design != 'pyramid' and index < 2:
                stage = _module_stage(arch, index, in_channels)
            else:
                stage = _block_stage(arch, index, in_channels, rates)
            init_transformer(stage, conv_fan_out=False)
            unread = index not in self.out_indices
            if isinstance(stage, PublishedStage) and unread:
                # no gradient for distributed training to wait for
                stage.norm.requires_grad_(False)
            yield stage
            in_channels = dim


def _rates(arch: T2TArch, rate: float) -> Iterator[float]:
    """Drop path rates of the blocks with one, in order."""
    if arch.design == 'pyramid':
        return iter(ramp(rate, sum(arch.depths)))
    return chain(ramp(rate, arch.depths[2]), repeat(rate))


def _patch(index: int) -> tuple[int, int]:
    """Kernel and stride of a stage's soft split."""
    return (7, 4) if index == 0 else (3, 2)


def _module_stage(arch: T2TArch, index: int, in_channels: int) -> Stage:
    """T2T module: soft split to queries, keys and values, their attention."""
    dim = arch.dims[index]
    kernel, stride = _patch(index)
    performer = arch.design == 'performer'
    if performer:
        attn: nn.Module = T2TPerformer(dim)
    else:
        attn = T2TAttention(dim, (in_channels * kernel**2) ** -0.5)
    split = NormedSoftSplit(
        in_channels, 3 * dim, kernel, stride, bias=performer, norm_eps=EPS
    )
    mlp = Mlp(dim, dim * arch.mlp_ratios[index], GELU)
    block = T2TBlock(dim, attn, mlp, norm_eps=EPS)
    return Stage(split, [block], nn.Identity(), dim, stride)


def _block_stage(
    arch: T2TArch, index: int, in_channels: int, rates: Iterator[float]
) -> Stage:
    """Soft split and transformer blocks."""
    dim, depth = arch.dims[index], arch.depths[index]
    kernel, stride = _patch(index)
    blocks: list[nn.Module]
    if arch.blocks == 'dense' and index == 2:
        blocks = list(_dense_blocks(arch, rates))
    else:
        blocks = [_block(arch, index, next(rates)) for _ in range(depth)]
    norm = nn.LayerNorm(dim, eps=EPS)
    if arch.design == 'pyramid' or index > 2:
        split: SoftSplit = NormedSoftSplit(
            in_channels, dim, kernel, stride, bias=True, norm_eps=EPS
        )
        return Stage(split, blocks, norm, dim, stride)
    split = SoftSplit(in_channels, arch.embed_dim, kernel, stride, bias=True)
    side = arch.position_px // PUBLISHED_STRIDE
    return PublishedStage(
        split, blocks, norm, dim, stride, (side, side), arch.embed_dim
    )


def _dense_blocks(
    arch: T2TArch, rates: Iterator[float]
) -> Iterator[nn.Module]:
    """Groups of blocks that widen the tokens, and what halves them."""
    last = len(arch.groups) - 1
    for number, group in enumerate(arch.dense_widths):
        for dim in group:
            qkv = LinearQKV(dim, KeepKeys(), bias=False)
            yield DenseBlock(
                dim,
                Attention(dim, arch.heads[2], qkv),
                Mlp(dim, dim * arch.mlp_ratios[2], GELU),
                growth=arch.growth,
                norm_eps=EPS,
                drop_path_rate=next(rates),
            )
        if number < last:
            yield Transition(group[-1] + arch.growth)


def _block(arch: T2TArch, index: int, drop_path_rate: float) -> Block:
    dim, heads = arch.dims[index], arch.heads[index]
    ratio = arch.reductions[index]
    reduce = StridedKeys(dim, ratio, EPS) if ratio > 1 else KeepKeys()
    qkv: nn.Module = LinearQKV(dim, reduce, bias=False)
    mlp = Mlp(dim, dim * arch.mlp_ratios[index], GELU)
    if arch.blocks == 'ghost' and index == 2:
        qkv, mlp = GhostQKV(dim), GhostMlp(dim, arch.mlp_ratios[index])
    if arch.se_reduction and index == 2:
        attn: Attention = ExcitedAttention(dim, heads, qkv, arch.se_reduction)
    else:
        attn = Attention(dim, heads, qkv)
    return Block(dim, attn, mlp, norm_eps=EPS, drop_path_rate=drop_path_rate)
