"""Convolutional vision Transformer (arXiv:2103.15808).

B images, C channels, H x W grid, N = H * W tokens.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from vitdense.backbones.arch import check_columns
from vitdense.backbones.pyramid import PyramidBackbone, Stage
from vitdense.layers.attention import Attention
from vitdense.layers.batch_norm import MakeNorm, batch_norm_maker
from vitdense.layers.block import Block
from vitdense.layers.conv_projection import ConvQKV
from vitdense.layers.drop_path import ramp
from vitdense.layers.init import init_transformer
from vitdense.layers.mlp import QuickGeluMlp
from vitdense.layers.patch_embed import PatchEmbed
from vitdense.layers.token_conv import TokenConv
from vitdense.registry import MODELS

NORM_EPS = 1e-5  # of every LayerNorm
KEY_STRIDE = 2  # tokens, along an axis, for each key


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


# Table 2 of arXiv:2103.15808; drop path of the official configs
VARIANTS: Mapping[str, CvTArch] = MappingProxyType(
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


class ClassTokenStage(Stage):
    """A stage whose blocks also see a class token, no part of its level."""

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

    def run_blocks(self, tokens: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, N, dim) -> (B, N, dim)."""
        cls_tokens = self.cls_token.expand(len(tokens), -1, -1)
        tokens = torch.cat([cls_tokens.to(tokens.dtype), tokens], 1)
        return super().run_blocks(tokens, hw)[:, 1:]


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
        out_indices, frozen_stages, norm_eval, with_cp, init_cfg: See
            ``PyramidBackbone``. A few images for each device are too few for
            the BatchNorms: use ``norm_eval=True``, from trained weights, or
            'SyncBN'.

    Raises:
        ValueError, TypeError: If an argument does not fit, naming it.
    """

    family = 'cvt'
    variants = VARIANTS

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
    ) -> None:
        # before the base, which builds the stages
        self._make_norm = batch_norm_maker('CvT', norm_cfg)
        super().__init__(
            arch,
            in_channels,
            out_indices,
            drop_path_rate,
            frozen_stages,
            norm_eval,
            with_cp,
            init_cfg,
        )

    def build_stages(
        self, spec: CvTArch, in_channels: int, drop_path_rate: float
    ) -> Iterator[Stage]:
        """Yields the stages; drop path ramps up within the last one."""
        return _stages(spec, in_channels, drop_path_rate, self._make_norm)


def _stages(
    spec: CvTArch, in_channels: int, rate: float, norm: MakeNorm
) -> Iterator[Stage]:
    """Yields the stages of an arch; ``rate`` is that of its last block."""
    last = len(spec.dims) - 1
    for index, dim in enumerate(spec.dims):
        if index == 0:
            conv = TokenConv(in_channels, dim, kernel=7, stride=4, padding=2)
        else:
            conv = TokenConv(in_channels, dim, kernel=3, stride=2, padding=1)
        rates = ramp(rate if index == last else 0.0, spec.depths[index])
        stage = (ClassTokenStage if index == last else Stage)(
            PatchEmbed(conv, NORM_EPS),
            [_block(spec, index, norm, drop_path) for drop_path in rates],
            nn.Identity(),
            dim,
            conv.stride[0],
        )
        init_transformer(stage, conv_fan_out=False)
        yield stage
        in_channels = dim


def _block(
    spec: CvTArch, index: int, norm: MakeNorm, drop_path_rate: float
) -> Block:
    dim = spec.dims[index]
    num_prefix = 1 if index == len(spec.dims) - 1 else 0  # class token
    qkv = ConvQKV(dim, KEY_STRIDE, norm, num_prefix)
    return Block(
        dim,
        Attention(dim, spec.heads[index], qkv, scale=dim**-0.5),
        QuickGeluMlp(dim, dim * spec.mlp_ratios[index]),
        NORM_EPS,
        drop_path_rate,
    )
