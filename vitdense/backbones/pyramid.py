"""What every backbone is: stages that make the levels of a pyramid.

B images, C channels, H x W pixels or cells, N tokens.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from vitdense.layers.tokens import to_map

LARGEST_MINIMUM_PX = 4096


class Stage(nn.Module):
    """A patch embedding, blocks on its tokens, and a norm: one level.

    Args:
        patch_embed: Maps (B, C, H, W) to (B, N, dim) tokens and their grid,
            and tells by ``grid(size)`` how many cells an axis has.
        blocks: Map (tokens, grid) to tokens; ``attn.grid(size)`` of a block
            tells how many keys an axis has.
        norm: Applied to the tokens after the blocks.
        dim: Channels of the level.
        stride: Input cells, along an axis, for each cell of the level.
    """

    with_cp = False

    def __init__(
        self,
        patch_embed: nn.Module,
        blocks: Iterable[nn.Module],
        norm: nn.Module,
        dim: int,
        stride: int,
    ) -> None:
        super().__init__()
        self.patch_embed = patch_embed
        self.blocks = nn.ModuleList(blocks)
        self.norm = norm
        self.dim = dim
        self.stride = stride

    def embed(self, feature_map: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """(B, C, H, W) -> (B, N, dim) tokens and their grid."""
        tokens, hw = self.patch_embed(feature_map)
        return tokens, hw

    def run_blocks(self, tokens: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, N, dim) -> (B, N, dim); recomputed in backward if with_cp."""
        for block in self.blocks:
            if self.with_cp and torch.is_grad_enabled():
                tokens = checkpoint(block, tokens, hw, use_reentrant=False)
            else:
                tokens = block(tokens, hw)
        return tokens

    def forward(self, feature_map: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, H, W) -> the level and what the next stage goes on from.

        Both are (B, dim, H', W').
        """
        tokens, hw = self.embed(feature_map)
        level = to_map(self.norm(self.run_blocks(tokens, hw)), hw)
        return level, level

    def grid(self, size: int) -> int:
        """Cells along an axis of ``size``; 0 if the stage cannot run."""
        cells: int = self.patch_embed.grid(size)  # type: ignore[operator]
        keys = [block.attn.grid(cells) for block in self.blocks]  # type: ignore
        return cells if min(keys, default=1) > 0 else 0


class PyramidBackbone(BaseModule):
    """Base of the families: stages to levels, freezing, loading.

    A family sets ``family`` and gives its stages to ``__init__``; the rest
    of the contract is here, once.

    Args:
        name: Name of the arch in the family's table; None for a mapping.
        stages: The stages to build, lazily: those after the last of
            ``out_indices`` are not asked for.
        num_stages: How many stages the arch has.
        out_indices: Stages whose levels are output, ascending.
        frozen_stages: -1 freezes nothing, 0 the first patch embedding, k > 0
            also stages 1 to k (counted from 1), as in mmdet. Frozen parts
            take no gradient and stay in eval mode.
        norm_eval: Keeps BatchNorms in eval mode while training.
        with_cp: Recomputes blocks in the backward pass to save memory.
        init_cfg: ``dict(type='Pretrained', checkpoint=...)`` loads strictly;
            see ``vitdense.checkpoint``. None keeps the random weights.

    Attributes:
        out_channels: Channels of the levels output.
        out_strides: Their strides, in input pixels.

    Raises:
        ValueError, TypeError: If an argument does not fit, naming it.
    """

    family: ClassVar[str]

    def __init__(
        self,
        name: str | None,
        stages: Iterable[Stage],
        num_stages: int,
        out_indices: Sequence[int] | None,
        frozen_stages: int,
        norm_eval: bool,
        with_cp: bool,
        init_cfg: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None,
    ) -> None:
        super().__init__(init_cfg)
        self.arch_name = name
        self.out_indices = self._check_out_indices(out_indices, num_stages)
        built = self.out_indices[-1] + 1
        self.stages = nn.ModuleList(
            stage for stage, _ in zip(stages, range(built), strict=False)
        )
        if (
            not isinstance(frozen_stages, int)
            or not -1 <= frozen_stages <= built
        ):
            raise ValueError(
                f'{self._title}: frozen_stages={frozen_stages!r} is not in '
                f'-1..{built}'
            )
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval
        for stage in self._stages():
            stage.with_cp = with_cp
        strides, stride = [], 1
        for stage in self._stages():
            stride *= stage.stride
            strides.append(stride)
        self.out_channels = tuple(
            self._stages()[i].dim for i in self.out_indices
        )
        self.out_strides = tuple(strides[i] for i in self.out_indices)
        self.min_size = self._find_min_size()
        self._freeze()

    @property
    def _title(self) -> str:
        return type(self).__name__

    def _stages(self) -> list[Stage]:
        return list(self.stages)  # type: ignore[arg-type]

    def _check_out_indices(
        self, out_indices: Sequence[int] | None, num_stages: int
    ) -> tuple[int, ...]:
        if out_indices is None:
            return tuple(range(num_stages))
        if isinstance(out_indices, (int, str)):
            raise TypeError(
                f'{self._title}: out_indices={out_indices!r} must be a '
                f'sequence of stages, such as ({out_indices!r},)'
            )
        chosen = tuple(out_indices)
        valid = range(num_stages)
        if (
            not chosen
            or any(i not in valid for i in chosen)
            or list(chosen) != sorted(set(chosen))
        ):
            raise ValueError(
                f'{self._title}: out_indices={chosen} must be ascending '
                f'stages out of {tuple(valid)}'
            )
        return chosen

    def _find_min_size(self) -> int:
        """Least height and width, in pixels, that give each stage a cell."""
        for size in range(1, LARGEST_MINIMUM_PX):
            cells = size
            for stage in self._stages():
                cells = stage.grid(cells)
                if cells == 0:
                    break
            else:
                return size
        raise ValueError(
            f'{self._title}: this arch needs images over '
            f'{LARGEST_MINIMUM_PX} pixels'
        )

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """(B, C, H, W) -> levels (B, C_i, H_i, W_i), finest first.

        Any height and width, square or not, from ``min_size`` pixels on.

        Raises:
            ValueError: If an image is smaller than that.
        """
        height, width = images.shape[2:]
        if min(height, width) < self.min_size:
            raise ValueError(
                f'{self._title}: images of {height} x {width} pixels are too '
                f'small; this arch needs at least {self.min_size} x '
                f'{self.min_size}'
            )
        levels = []
        carried = images
        for index, stage in enumerate(self.stages):
            level, carried = stage(carried)
            if index in self.out_indices:
                levels.append(level)
        return tuple(levels)

    def init_weights(self) -> None:
        """Loads what ``init_cfg`` names; without one, keeps the weights.

        The random weights were drawn at construction, by the family's own
        scheme.

        Raises:
            ValueError: If the checkpoint does not fit exactly.
        """
        configs = self.init_cfg
        if isinstance(configs, Mapping):
            configs = [configs]
        for config in configs or ():
            if config.get('type') != 'Pretrained':
                raise ValueError(
                    f'{self._title}: init_cfg type {config.get("type")!r} is '
                    "not known; choose from ['Pretrained'], or None"
                )
            from vitdense.checkpoint import load_backbone

            load_backbone(
                self, config['checkpoint'], sha256=config.get('sha256')
            )
        self._is_init = True

    def _freeze(self) -> None:
        if self.frozen_stages >= 0:
            parts = [self._stages()[0].patch_embed]
            parts += self._stages()[: self.frozen_stages]
            for part in parts:
                part.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> 'PyramidBackbone':
        """Sets the mode; frozen parts and, if asked, BatchNorms stay."""
        super().train(mode)
        self._freeze()
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self


def check_common(
    title: str, in_channels: int, drop_path_rate: float | None
) -> None:
    """Checks the arguments that stages need before they are built.

    Raises:
        ValueError: Naming the argument and what it may be.
    """
    if not isinstance(in_channels, int) or in_channels < 1:
        raise ValueError(
            f'{title}: in_channels={in_channels!r} must be a positive integer'
        )
    if drop_path_rate is not None and not 0 <= drop_path_rate < 1:
        raise ValueError(
            f'{title}: drop_path_rate={drop_path_rate!r} is not in [0, 1)'
        )
