"""The plain Vision Transformer (arXiv:2010.11929) and its descendants.

B images, P prefix tokens, C channels, H x W grid, N = H * W tokens.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from vitdense.backbones.arch import is_integer
from vitdense.backbones.family import Family
from vitdense.backbones.pyramid import PyramidBackbone
from vitdense.backbones.stage import Stage
from vitdense.backbones.vit.archs import ARCHS, ViTArch
from vitdense.backbones.vit.block import CCTBlock, ParallelBlock
from vitdense.backbones.vit.build import build_block, build_embedding
from vitdense.backbones.vit.embedding import Carry
from vitdense.backbones.vit.layouts import LAYOUTS
from vitdense.backbones.vit.published import PUBLISHED
from vitdense.backbones.vit.reference import levels
from vitdense.layers.block import Block
from vitdense.layers.drop_path import ramp
from vitdense.layers.init import init_transformer
from vitdense.registry import MODELS

# of the maps that the stem 'hmlp' makes on its way
STEM_STRIDES = (4, 8)


class BlockStage(Stage):
    """One block: in a plain ViT each may be a level.

    Args:
        patch_embed: The embedding before the first block; else ``Carry``.
        block: The block.
        dim: Channels.
        stride: Pixels for each cell, of the embedding; else 1.
        num_prefix: P.
    """

    def __init__(
        self,
        patch_embed: nn.Module,
        block: nn.Module,
        dim: int,
        stride: int,
        num_prefix: int,
    ) -> None:
        super().__init__(patch_embed, [block], nn.Identity(), dim, stride)
        self.num_prefix = num_prefix


@MODELS.register_module()
class ViT(PyramidBackbone):
    """Plain Vision Transformers: ViT, DeiT, MAE, DINOv2, DINOv3, CCT.

    Every block is a stage of the same width and stride, and each may be a
    level. The official final norm is applied to every level, as the official
    code of DINOv2 and DINOv3 does to what it calls intermediate layers.
    Class and register tokens take part in attention and are not in levels.

    Cell (i, j) is the patch from pixel (i * stride, j * stride) on. Images
    that patches do not divide get zeros below and on the right.

    Departs from upstream: no dropout (CCT: 0.1 in attention); coordinates of
    DINOv3's positions are not rescaled at random in training; stochastic
    depth ramps up in the parallel ViTs too.

    Args:
        arch: 'tiny', 'small', 'base', 'large', 'huge', 'vitdet-b',
            'vitdet-l', 'small-18x2', 'base-18x2', both with '-ls',
            'dinov2-s' to 'dinov2-g', each with '-reg', 'dinov3-s',
            'dinov3-s+', 'dinov3-b', 'dinov3-l', 'dinov3-h+', 'dinov3-7b',
            'cct-7-3x1', 'cct-14-7x2', or a mapping with the fields of
            ``ViTArch``.
        in_channels: Channels of the images.
        out_indices: Blocks whose tokens are output, from 0, ascending; None
            is the last of each quarter of the depth. Blocks after the last
            of them are not built.
        drop_path_rate: Stochastic depth of the last block; None takes the
            arch's. The blocks before it ramp up from 0.
        frozen_stages: -1 freezes nothing, 0 the embedding (stem, positions
            and tokens), k > 0 also the first k blocks; with all blocks the
            final norm too.
        norm_eval, with_cp, init_cfg, tune: See ``PyramidBackbone``. Only the
            stem 'hmlp' has BatchNorms.
        stem_indices: Convolutions of the stem 'hmlp' whose maps are output
            before the blocks', ascending: 0 is that of stride 4, 1 of
            stride 8, each of a quarter of the channels, and not normed
            again.

    Raises:
        ValueError, TypeError: If an argument does not fit, naming it.
    """

    family = Family('vit', ARCHS, LAYOUTS, levels, PUBLISHED)

    def __init__(
        self,
        arch: str | Mapping[str, Any],
        in_channels: int = 3,
        out_indices: Sequence[int] | None = None,
        drop_path_rate: float | None = None,
        frozen_stages: int = -1,
        norm_eval: bool = False,
        with_cp: bool = False,
        init_cfg: Mapping[str, Any]
        | Sequence[Mapping[str, Any]]
        | None = None,
        tune: str | Mapping[str, Any] = 'all',
        stem_indices: Sequence[int] = (),
    ) -> None:
        # stages are built by the base class, which knows of no stem
        self._stem_indices = stem_indices
        super().__init__(
            arch,
            in_channels,
            out_indices,
            drop_path_rate,
            frozen_stages,
            norm_eval,
            with_cp,
            init_cfg,
            tune,
        )
        self.stem_indices = tuple(stem_indices)
        count = len(self.stem_indices)
        self.out_channels = (self.arch.dim // 4,) * count + self.out_channels
        strides = tuple(STEM_STRIDES[i] for i in self.stem_indices)
        self.out_strides = strides + self.out_strides
        self.norm = nn.LayerNorm(self.arch.dim, eps=self.arch.norm_eps)
        self._freeze()

    def default_levels(self) -> tuple[int, ...]:
        """The last block of each quarter."""
        quarters: tuple[int, ...] = self.arch.quarters
        return quarters

    def build_stages(
        self, arch: ViTArch, in_channels: int, drop_path_rate: float
    ) -> Iterator[Stage]:
        """Yields the blocks, the first of them with the embedding."""
        embedding = build_embedding(
            arch, in_channels, self._checked_stem(arch)
        )
        embed: nn.Module = embedding
        stride = arch.stride
        for index, rate in enumerate(ramp(drop_path_rate, arch.depth)):
            window = arch.window if index in arch.windowed else 0
            if arch.blocks == 'parallel':
                block: nn.Module = ParallelBlock(
                    build_block(arch, Block, window, rate) for _ in range(2)
                )
            else:
                kind = CCTBlock if arch.blocks == 'cct' else Block
                block = build_block(arch, kind, window, rate)
            stage = BlockStage(
                embed, block, arch.dim, stride, embedding.num_prefix
            )
            init_transformer(stage, conv_fan_out=False)
            yield stage
            embed, stride = Carry(), 1

    def _checked_stem(self, arch: ViTArch) -> tuple[int, ...]:
        given = self._stem_indices
        listed = isinstance(given, list | tuple)
        chosen = tuple(given) if listed else ()
        valid = range(len(STEM_STRIDES) if arch.stem == 'hmlp' else 0)
        if (
            not listed
            or not all(is_integer(i) and i in valid for i in chosen)
            or list(chosen) != sorted(set(chosen))
        ):
            raise ValueError(
                f'ViT: stem_indices={given!r} must be ascending and out of '
                f'{tuple(valid)} with stem={arch.stem!r}'
            )
        return chosen

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """(B, C, H, W) -> levels, the stem's before the blocks'.

        As that of the base class.
        """
        levels = super().forward(images)
        if not self.stem_indices:
            return levels
        stem: Any = self.stages[0].patch_embed.proj
        return (*stem.take(), *levels)

    def level(
        self, stage: Stage, tokens: Tensor, hw: tuple[int, int]
    ) -> Tensor:
        """(B, P + N, C) of a block -> its normed level (B, C, H, W)."""
        return super().level(stage, self.norm(tokens), hw)

    def _freeze(self) -> None:
        super()._freeze()
        # the base class freezes before there is a norm
        if self.frozen_stages == len(self.stages) and hasattr(self, 'norm'):
            self.norm.requires_grad_(False).eval()
