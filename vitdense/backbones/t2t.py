"""Hierarchical Tokens-to-Token ViT (arXiv:2101.11986).

B images, C channels, H x W grid, N = H * W tokens.

Names of the published weights in the token modules, i = 1, 2 (those of the
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

from vitdense.backbones.pyramid import PyramidBackbone, Stage
from vitdense.backbones.t2t_arch import TOKEN_STRIDE, VARIANTS, T2TArch
from vitdense.layers.attention import (
    Attention,
    KeepKeys,
    LinearQKV,
    StridedKeys,
)
from vitdense.layers.block import Block
from vitdense.layers.drop_path import ramp
from vitdense.layers.init import init_transformer
from vitdense.layers.mlp import Mlp, gelu
from vitdense.layers.position import resize_grid, sinusoid_table
from vitdense.layers.soft_split import NormedSoftSplit, SoftSplit
from vitdense.layers.squeeze_excite import ExcitedAttention
from vitdense.layers.token_attention import (
    TokenAttention,
    TokenBlock,
    TokenPerformer,
)
from vitdense.layers.tokens import to_map
from vitdense.registry import MODELS

EPS = 1e-5  # of every LayerNorm


class ClassTokenStage(Stage):
    """The published blocks: with a class token and fixed positions.

    The class token takes part in attention and is dropped after the blocks.

    Args:
        grid_hw: Rows and columns that the position table is made for; other
            grids get it resized, bicubically as in the official code.
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
    ) -> None:
        super().__init__(patch_embed, blocks, norm, dim, stride)
        self.grid_hw = grid_hw
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        nn.init.trunc_normal_(self.cls_token, std=0.02)
        self.pos_embed: Tensor
        table = sinusoid_table(1 + grid_hw[0] * grid_hw[1], dim)
        self.register_buffer('pos_embed', table)

    def forward(self, feature_map: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, H, W) -> normed level, and the same before the norm."""
        patches, hw = self.embed(feature_map)
        positions = resize_grid(
            self.pos_embed[:, 1:], self.grid_hw, hw, 'bicubic'
        )
        cls_token = (self.cls_token + self.pos_embed[:, :1]).expand(
            len(patches), -1, -1
        )
        tokens = torch.cat((cls_token, patches + positions), 1)
        # no grid any more: a column
        tokens = self.run_blocks(tokens, (tokens.shape[1], 1))[:, 1:]
        return to_map(self.norm(tokens), hw), to_map(tokens, hw)


@MODELS.register_module()
class T2TViT(PyramidBackbone):
    """Tokens-to-Token ViT as a pyramid; levels at strides 4 to 32.

    Yuan et al., arXiv:2101.11986. The levels at strides 4, 8 and 16 are the
    tokens of the published network, those at 16 after its final norm. Stride
    32 is one more soft split, of the tokens before that norm, two more
    blocks of the same width, and a norm. 'pyramid-t' and 'pyramid-s' are new:
    four stages of soft split, blocks and norm, with fewer keys than queries
    up to stride 16.

    Departs from upstream: the performer's token modules have no dropout
    (published: 0.1 in training), as their outputs are levels that a neck
    reads; positions are resized as class token and grid.

    Args:
        arch: '7', '10', '12', '14', '19', '24' (performer), 't-14', 't-19',
            't-24' (transformer), '14-se', '14-resnext', '14-wide',
            'pyramid-t', 'pyramid-s', or a mapping with the fields of
            ``T2TArch``.
        in_channels: Channels of the images.
        drop_path_rate: Stochastic depth of the last block; None takes the
            arch's. It ramps up from 0 over the blocks of the published
            network (those at stride 32 have the full rate), or over those of
            all stages in a pyramid.
        out_indices, frozen_stages, norm_eval, with_cp, init_cfg: See
            ``PyramidBackbone``. There is no BatchNorm for ``norm_eval``.

    Raises:
        ValueError, TypeError: If an argument does not fit, naming it.
    """

    family = 't2t'
    variants = VARIANTS

    def build_stages(
        self, spec: T2TArch, in_channels: int, drop_path_rate: float
    ) -> Iterator[Stage]:
        """Yields the stages, each from a soft split on."""
        for index, stage in enumerate(
            _stages(spec, in_channels, drop_path_rate)
        ):
            unread = index not in self.out_indices
            if isinstance(stage, ClassTokenStage) and unread:
                # no gradient for distributed training to wait for
                stage.norm.requires_grad_(False)
            yield stage


def _stages(spec: T2TArch, in_channels: int, rate: float) -> Iterator[Stage]:
    """Yields the stages of an arch; ``rate`` is that of its last block."""
    rates = _rates(spec, rate)
    for index, dim in enumerate(spec.dims):
        kernel, stride = (7, 4) if index == 0 else (3, 2)
        if spec.design != 'pyramid' and index < 2:
            stage = _token_module(spec, index, in_channels, kernel, stride)
        else:
            blocks = [
                _block(spec, index, next(rates))
                for _ in range(spec.depths[index])
            ]
            norm = nn.LayerNorm(dim, eps=EPS)
            if spec.design != 'pyramid' and index == 2:
                side = spec.position_px // TOKEN_STRIDE
                stage = ClassTokenStage(
                    SoftSplit(in_channels, dim, kernel, stride, True),
                    blocks,
                    norm,
                    dim,
                    stride,
                    (side, side),
                )
            else:
                split = NormedSoftSplit(
                    in_channels, dim, kernel, stride, True, EPS
                )
                stage = Stage(split, blocks, norm, dim, stride)
        init_transformer(stage, conv_fan_out=False)
        yield stage
        in_channels = dim


def _rates(spec: T2TArch, rate: float) -> Iterator[float]:
    """Drop path rates of the blocks with one, in order."""
    if spec.design == 'pyramid':
        return iter(ramp(rate, sum(spec.depths)))
    return chain(ramp(rate, spec.depths[2]), repeat(rate))


def _token_module(
    spec: T2TArch, index: int, in_channels: int, kernel: int, stride: int
) -> Stage:
    """Soft split to queries, keys and values, and their attention."""
    dim = spec.dims[index]
    if spec.design == 'performer':
        attn: nn.Module = TokenPerformer(dim)
        bias = True
    else:
        attn = TokenAttention(dim, (in_channels * kernel**2) ** -0.5)
        bias = False
    split = NormedSoftSplit(in_channels, 3 * dim, kernel, stride, bias, EPS)
    mlp = Mlp(dim, dim * spec.mlp_ratios[index], gelu)
    block = TokenBlock(dim, attn, mlp, EPS)
    return Stage(split, [block], nn.Identity(), dim, stride)


def _block(spec: T2TArch, index: int, drop_path_rate: float) -> Block:
    dim, heads = spec.dims[index], spec.heads[index]
    ratio = spec.reductions[index]
    reduce = StridedKeys(dim, ratio, EPS) if ratio > 1 else KeepKeys()
    qkv = LinearQKV(dim, reduce, bias=False)
    if spec.se_reduction and index == 2:
        attn: Attention = ExcitedAttention(
            dim, heads, qkv, None, spec.se_reduction
        )
    else:
        attn = Attention(dim, heads, qkv, None)
    mlp = Mlp(dim, dim * spec.mlp_ratios[index], gelu)
    return Block(dim, attn, mlp, EPS, drop_path_rate)
