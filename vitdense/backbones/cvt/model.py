"""Convolutional vision Transformer (arXiv:2103.15808).

B images, C channels, H x W grid, N = H * W tokens; primes mark the result's.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from vitdense.backbones.cvt.archs import ARCHS, CvTArch
from vitdense.backbones.cvt.batch_norm import MakeNorm, batch_norm_maker
from vitdense.backbones.cvt.layouts import LAYOUTS
from vitdense.backbones.cvt.mlp import QuickGeluMlp
from vitdense.backbones.cvt.projection import ConvQKV
from vitdense.backbones.cvt.published import PUBLISHED
from vitdense.backbones.cvt.reference import levels
from vitdense.backbones.family import Family
from vitdense.backbones.pyramid import PyramidBackbone
from vitdense.backbones.stage import Stage
from vitdense.layers.attention import Attention
from vitdense.layers.block import Block
from vitdense.layers.drop_path import ramp
from vitdense.layers.init import init_transformer
from vitdense.layers.patch_embed import PatchEmbed
from vitdense.layers.token_conv import TokenConv
from vitdense.layers.tokens import prepend
from vitdense.registry import MODELS

NORM_EPS = 1e-5  # of every LayerNorm
KEY_STRIDE = 2  # tokens, along an axis, for each key


class ClassTokenStage(Stage):
    """A stage that puts a class token before those of the grid."""

    num_prefix = 1

    def __init__(
        self,
        patch_embed: PatchEmbed,
        blocks: Iterable[nn.Module],
        norm: nn.Module,
        dim: int,
        stride: int,
    ) -> None:
        super().__init__(patch_embed, blocks, norm, dim, stride)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        nn.init.trunc_normal_(self.cls_token, std=0.02)

    def embed(
        self, tokens: Tensor, hw: tuple[int, int]
    ) -> tuple[Tensor, tuple[int, int]]:
        """(B, N, C) -> (B, 1 + N', dim) and its grid."""
        tokens, hw = super().embed(tokens, hw)
        return prepend(self.cls_token, tokens), hw


@MODELS.register_module()
class CvT(PyramidBackbone):
    """Convolutional vision Transformer; levels at strides 4, 8 and 16.

    Wu et al., arXiv:2103.15808, Table 2. The numerics are those of the
    official code: QuickGELU, attention scaled by ``dim ** -0.5``, a class
    token in the last stage, levels without a final norm.

    Args:
        arch: '13', '21', 'w24', or a mapping with the fields of ``CvTArch``.
        in_channels: Channels of the images.
        drop_path_rate: Stochastic depth of the last block; None takes the
            arch's. The last stage's blocks ramp up to it from 0; the stages
            before have none.
        norm_cfg: The BatchNorms of the projections: ``type`` ('BN' or
            'SyncBN') and optionally ``eps``, ``momentum``,
            ``requires_grad``.
        out_indices, frozen_stages, norm_eval, with_cp, init_cfg, tune: See
            ``PyramidBackbone``. A few images for each device are too few for
            the BatchNorms: use ``norm_eval=True``, from trained weights, or
            'SyncBN'.

    Raises:
        ValueError, TypeError: If an argument does not fit, naming it.
    """

    family = Family('cvt', ARCHS, LAYOUTS, levels, PUBLISHED)

    def __init__(
        self,
        arch: str | Mapping[str, Any],
        in_channels: int = 3,
        out_indices: Sequence[int] | None = None,
        drop_path_rate: float | None = None,
        frozen_stages: int = -1,
        norm_eval: bool = False,
        norm_cfg: Mapping[str, Any] = MappingProxyType({'type': 'BN'}),
        with_cp: bool = False,
        init_cfg: Mapping[str, Any]
        | Sequence[Mapping[str, Any]]
        | None = None,
        tune: str | Mapping[str, Any] = 'all',
    ) -> None:
        # before the base, which builds the stages
        self._make_norm = batch_norm_maker('CvT', norm_cfg)
        super().__init__(
            arch,
            in_channels,
            out_indices,
            drop_path_rate,
            frozen_stages,
            norm_eval=norm_eval,
            with_cp=with_cp,
            init_cfg=init_cfg,
            tune=tune,
        )

    def build_stages(
        self, arch: CvTArch, in_channels: int, drop_path_rate: float
    ) -> Iterator[Stage]:
        """Yields the stages; drop path ramps up within the last one."""
        last = len(arch.dims) - 1
        for index, dim in enumerate(arch.dims):
            kernel, stride = (7, 4) if index == 0 else (3, 2)
            conv = TokenConv(in_channels, dim, kernel, stride, stride // 2)
            rate = drop_path_rate if index == last else 0.0
            rates = ramp(rate, arch.depths[index])
            make = ClassTokenStage if index == last else Stage
            stage = make(
                PatchEmbed(conv, NORM_EPS),
                [
                    _block(arch, index, make.num_prefix, self._make_norm, rate)
                    for rate in rates
                ],
                nn.Identity(),
                dim,
                stride,
            )
            init_transformer(stage, conv_fan_out=False)
            yield stage
            in_channels = dim


def _block(
    arch: CvTArch,
    index: int,
    num_prefix: int,
    norm: MakeNorm,
    drop_path_rate: float,
) -> Block:
    dim = arch.dims[index]
    qkv = ConvQKV(dim, KEY_STRIDE, norm, num_prefix)
    # scaled by all channels, not by those of a head
    return Block(
        dim,
        Attention(dim, arch.heads[index], qkv, scale=dim**-0.5),
        QuickGeluMlp(dim, dim * arch.mlp_ratios[index]),
        norm_eps=NORM_EPS,
        drop_path_rate=drop_path_rate,
    )
