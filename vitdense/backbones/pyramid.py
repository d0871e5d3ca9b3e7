"""What every backbone is: stages that make the levels of a pyramid.

B images, C channels, H x W pixels or cells.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import accumulate, islice
from operator import mul
from typing import Any, ClassVar

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from vitdense.backbones.arch import is_integer, resolve_arch
from vitdense.backbones.family import Family
from vitdense.backbones.stage import Stage
from vitdense.backbones.tuning import ADDED, plain_name, resolve_tuning
from vitdense.checkpoint.base import fill_in, same
from vitdense.layers.tokens import to_tokens

LARGEST_MINIMUM_PX = 4096


class PyramidBackbone(BaseModule):
    """Base of the families: stages to levels, freezing, loading.

    A family's class has its record as ``family`` and builds the stages; the
    rest of the contract is here, once.

    Args:
        arch: A name from the family's table, or a mapping with the fields
            of its entries.
        in_channels: Channels of the images.
        out_indices: Stages whose levels are output, ascending; None is all,
            or those that the family says.
            Stages after the last of them are not built.
        drop_path_rate: Stochastic depth of the last block, in [0, 1); None
            takes the arch's.
        frozen_stages: -1 freezes nothing, 0 the first patch embedding, k > 0
            also stages 1 to k (counted from 1), as in mmdet. Frozen parts
            take no gradient and stay in eval mode.
        norm_eval: Keeps BatchNorms in eval mode while training.
        with_cp: Recomputes blocks in the backward pass to save memory.
        init_cfg: ``dict(type='Pretrained', checkpoint=...)`` loads strictly;
            see ``vitdense.checkpoint``. None keeps the random weights.
        tune: What learns: 'all'; 'none', which is then in eval mode;
            'attention', the attention of all blocks and learned positions;
            'lora', low-rank matrices beside the Linears of attention, by
            ``peft``, or ``dict(type='lora', rank=16, alpha=16,
            dropout=0.0, targets='attention')`` with ``targets='all'`` for
            all Linears of the blocks. BatchNorms beside what does not learn
            are in eval mode. Not together with ``frozen_stages``.

    Attributes:
        arch: The architecture, an entry of the family's table or like one.
        arch_name: Its name; None for a mapping.
        out_channels: Channels of the levels output.
        out_strides: Their strides, in input pixels.
        min_size: Least height and width of an image, in pixels.
        tuning: What ``tune`` asks for.
        base_loaded: Whether what does not learn is as ``init_cfg`` loads it.

    Raises:
        ValueError, TypeError: If an argument does not fit, naming it.
    """

    family: ClassVar[Family]
    base_loaded = False

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
    ) -> None:
        super().__init__(init_cfg)
        self.arch_name, self.arch = resolve_arch(
            self._title, arch, self.family.archs
        )
        if drop_path_rate is None:
            drop_path_rate = self.arch.drop_path_rate
        self._check_numbers(in_channels, drop_path_rate)
        self._check_switches(norm_eval=norm_eval, with_cp=with_cp)
        self.in_channels = in_channels
        num_stages = len(self.arch.dims)
        self.out_indices = self._check_out_indices(out_indices, num_stages)
        built = self.out_indices[-1] + 1
        stages = self.build_stages(self.arch, in_channels, drop_path_rate)
        # a ModuleList, of which PyTorch's types know no more than modules
        self.stages: Sequence[Stage]
        self.stages = nn.ModuleList(islice(stages, built))  # type: ignore[assignment]
        if not is_integer(frozen_stages) or not -1 <= frozen_stages <= built:
            raise ValueError(
                f'{self._title}: frozen_stages={frozen_stages!r} is not in '
                f'-1..{built}'
            )
        self.tuning = resolve_tuning(self._title, tune)
        if frozen_stages >= 0 and self.tuning.type != 'all':
            raise ValueError(
                f'{self._title}: frozen_stages={frozen_stages} and tune='
                f'{tune!r} both say what learns; choose frozen_stages=-1 or '
                "tune='all'"
            )
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval
        for stage in self.stages:
            stage.with_cp = with_cp
        strides = list(accumulate((s.stride for s in self.stages), mul))
        self.out_channels = tuple(self.stages[i].dim for i in self.out_indices)
        self.out_strides = tuple(strides[i] for i in self.out_indices)
        self.min_size = self._find_min_size()
        self.tuning.prepare(self)
        self._freeze()

    def build_stages(
        self, arch: Any, in_channels: int, drop_path_rate: float
    ) -> Iterator[Stage]:
        """Yields the stages of an arch, lazily: some are not asked for."""
        raise NotImplementedError

    def default_levels(self) -> tuple[int, ...]:
        """Stages that are output where ``out_indices`` says nothing."""
        return tuple(range(len(self.arch.dims)))

    def level(
        self, stage: Stage, tokens: Tensor, hw: tuple[int, int]
    ) -> Tensor:
        """(B, P + N, C) that a stage hands on -> its level (B, C, H, W)."""
        return stage.level(tokens, hw)

    @property
    def _title(self) -> str:
        return type(self).__name__

    def _check_numbers(self, in_channels: int, drop_path_rate: float) -> None:
        if not is_integer(in_channels) or in_channels < 1:
            raise ValueError(
                f'{self._title}: in_channels={in_channels!r} must be a '
                'positive integer'
            )
        if (
            not isinstance(drop_path_rate, int | float)
            or isinstance(drop_path_rate, bool)
            or not 0 <= drop_path_rate < 1
        ):
            raise ValueError(
                f'{self._title}: drop_path_rate={drop_path_rate!r} is not in '
                '[0, 1)'
            )

    def _check_switches(self, **switches: bool) -> None:
        for name, value in switches.items():
            if not isinstance(value, bool):
                raise TypeError(
                    f'{self._title}: {name}={value!r} is neither True nor '
                    'False'
                )

    def _check_out_indices(
        self, out_indices: Sequence[int] | None, num_stages: int
    ) -> tuple[int, ...]:
        if out_indices is None:
            return self.default_levels()
        if isinstance(out_indices, str) or not isinstance(
            out_indices, Sequence
        ):
            raise TypeError(
                f'{self._title}: out_indices={out_indices!r} must be a '
                'sequence of stages, such as (0, 1)'
            )
        chosen = tuple(out_indices)
        valid = range(num_stages)
        if (
            not chosen
            or not all(is_integer(i) and i in valid for i in chosen)
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
            for stage in self.stages:
                cells = stage.patch_embed.grid(cells)  # type: ignore[operator]
                if cells < stage.min_cells:
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
            ValueError: If an image is smaller than that, or has other
                channels.
        """
        if images.dim() != 4 or images.shape[1] != self.in_channels:
            raise ValueError(
                f'{self._title}: images of shape {tuple(images.shape)}; this '
                f'backbone takes (B, {self.in_channels}, H, W)'
            )
        height, width = images.shape[2:]
        # one by one: compilers keep bounds of each, not those of a minimum
        if height < self.min_size or width < self.min_size:
            raise ValueError(
                f'{self._title}: images of {height} x {width} pixels are too '
                f'small; this arch needs at least {self.min_size} x '
                f'{self.min_size}'
            )
        levels = []
        tokens, hw = to_tokens(images), (height, width)
        for index, stage in enumerate(self.stages):
            with _recorded(stage, tokens):
                tokens, hw = stage(tokens, hw)
            if index in self.out_indices:
                levels.append(self.level(stage, tokens, hw))
        return tuple(levels)

    def init_weights(self) -> None:
        """Loads what ``init_cfg`` names; without one, keeps the weights.

        The random weights were drawn at construction, by the family's own
        scheme.

        Raises:
            ValueError: If the checkpoint does not fit exactly.
        """
        configs = self.init_cfg
        if not isinstance(configs, list | tuple):
            configs = [configs] if configs is not None else []
        for config in configs:
            settings = config if isinstance(config, Mapping) else {}
            source = settings.get('checkpoint')
            if settings.get('type') != 'Pretrained' or not source:
                raise ValueError(
                    f'{self._title}: init_cfg={config!r}; choose from '
                    "dict(type='Pretrained', checkpoint=...) and None"
                )
            from vitdense.checkpoint.load import load_backbone

            load_backbone(
                self, config['checkpoint'], sha256=config.get('sha256')
            )
            self.base_loaded = True
        self._is_init = True

    @property
    def num_blocks(self) -> int:
        """Blocks of all stages."""
        return sum(len(stage.blocks) for stage in self.stages)

    def parameter_depths(self) -> dict[str, int]:
        """The depth of every parameter by name, from 0 to ``num_blocks + 1``.

        A block's is its place among the blocks of all stages, from 1; that
        of what comes before it, such as positions or a later stage's patch
        embedding, is that of the block before, or 0; of a stage's norm, that
        of its last block. What follows all stages is one deeper than they.
        """
        names = (name for name, _ in self.named_parameters())
        depths = dict.fromkeys(names, self.num_blocks + 1)
        before = 0
        for index, stage in enumerate(self.stages):
            for name, _ in stage.named_parameters():
                part, _, rest = name.partition('.')
                depth = before
                if part == 'blocks':
                    depth += 1 + int(rest.partition('.')[0])
                elif part == 'norm':
                    depth += len(stage.blocks)
                depths[f'stages.{index}.{name}'] = depth
            before += len(stage.blocks)
        return depths

    def _freeze(self) -> None:
        if self.frozen_stages >= 0:
            parts = [self.stages[0].patch_embed]
            parts += self.stages[: self.frozen_stages]
            for part in parts:
                part.requires_grad_(False).eval()
        learns = self.tuning.learns
        for name, parameter in self.named_parameters():
            if not learns(name):
                parameter.requires_grad_(False)
        for name, module in self.named_modules():
            if isinstance(module, _BatchNorm) and not learns(f'{name}.'):
                module.eval()

    def plain_names(self) -> dict[str, str]:
        """Names in the state dict of all but adapters.

        Each with its name in the same backbone without adapters.
        """
        return {n: plain_name(n) for n in self.state_dict() if ADDED not in n}

    def base_names(self) -> dict[str, str]:
        """Those of ``plain_names`` that ``tune`` keeps as they are."""
        plain = self.plain_names()
        return {n: p for n, p in plain.items() if not self.tuning.learns(n)}

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any
    ) -> None:
        own = self.state_dict()
        fill_in(state_dict, prefix, own, self.plain_names())
        self.base_loaded = self.base_loaded and all(
            same(own[name], state_dict.get(prefix + name, own[name]))
            for name in self.base_names()
        )
        super()._load_from_state_dict(state_dict, prefix, *args)

    def train(self, mode: bool = True) -> 'PyramidBackbone':
        """Sets the mode; frozen parts and, if asked, BatchNorms stay."""
        super().train(mode and self.tuning.type != 'none')
        self._freeze()
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self


def _recorded(stage: Stage, tokens: Tensor) -> AbstractContextManager[Any]:
    """Where no gradient can come of a stage, it runs as without gradients.

    Nothing would be kept for a backward pass, but shortcuts would be missed.
    """
    learns = tokens.requires_grad or any(
        parameter.requires_grad for parameter in stage.parameters()
    )
    if learns or torch.compiler.is_compiling():
        return nullcontext()
    return torch.no_grad()


def known_backbones() -> list[type[PyramidBackbone]]:
    """The classes of all families that have been imported, users' too."""
    found: list[type[PyramidBackbone]] = []
    left = [PyramidBackbone]
    while left:
        subclasses = left.pop().__subclasses__()
        left += subclasses
        found += [c for c in subclasses if 'family' in vars(c)]
    return sorted(found, key=lambda c: c.family.name)
