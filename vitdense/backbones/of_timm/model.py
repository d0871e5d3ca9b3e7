"""Any model of timm that has features, as a backbone.

B images, C channels, H x W pixels or cells.
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from vitdense.backbones.arch import is_integer
from vitdense.backbones.family import OFFICIAL
from vitdense.backbones.of_timm.library import build, the_library
from vitdense.backbones.of_timm.names import place
from vitdense.checkpoint.errors import CheckpointError
from vitdense.registry import MODELS

FINEST = 4  # pixels, of levels that are output by default
# What timm calls the switches that let a model take images of any size.
ANY_SIZE = {'dynamic_img_size': True, 'strict_img_size': False}


def _check(name: str, value: object, fits: bool, said: str) -> None:
    if not fits:
        raise ValueError(f'Timm: {name}={value!r} must be {said}')


@MODELS.register_module()
class Timm(BaseModule):
    """A model of timm (https://github.com/huggingface/pytorch-image-models).

    The baselines that our families are compared with: what ``timm.create_model
    (arch, features_only=True)`` gives, with channels and strides declared and
    checkpoints loaded strictly. Images of any size: models made for one are
    asked to take others, and where a model takes multiples of its coarsest
    stride alone, images get zeros below and on the right.

    Args:
        arch: Name of the model, as timm has it, without weights' tags.
        in_channels: Channels of the images.
        out_indices: Levels that are output, ascending, as timm numbers them;
            None is all of stride 4 and coarser that timm gives by default.
        drop_path_rate: Stochastic depth, in [0, 1); 0 is without.
        norm_eval: Keeps BatchNorms in eval mode while training.
        init_cfg: ``dict(type='Pretrained', checkpoint=...)`` loads strictly,
            from a file in timm's names; 'official' is what timm has for the
            model. None keeps the random weights.

    Attributes:
        out_channels: Channels of the levels output.
        out_strides: Their strides, in input pixels.

    Raises:
        ValueError: If timm is missing or has no such model, the model has no
            features or takes images of one size alone, or an argument does
            not fit, naming it.
    """

    def __init__(
        self,
        arch: str,
        in_channels: int = 3,
        out_indices: Sequence[int] | None = None,
        drop_path_rate: float = 0.0,
        norm_eval: bool = False,
        init_cfg: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        _check(
            'in_channels', in_channels, is_integer(in_channels), 'an integer'
        )
        _check('in_channels', in_channels, in_channels > 0, 'positive')
        _check(
            'drop_path_rate',
            drop_path_rate,
            isinstance(drop_path_rate, int | float)
            and not isinstance(drop_path_rate, bool)
            and 0 <= drop_path_rate < 1,
            'in [0, 1)',
        )
        _check(
            'norm_eval',
            norm_eval,
            isinstance(norm_eval, bool),
            'True or False',
        )
        self.arch_name = arch
        self.in_channels = in_channels
        self.norm_eval = norm_eval
        settings: dict[str, Any] = {'in_chans': in_channels}
        if drop_path_rate:
            settings['drop_path_rate'] = drop_path_rate
        with torch.device('meta'):
            whole = build(arch, settings)
        taken = inspect.signature(type(whole).__init__).parameters
        settings |= {k: v for k, v in ANY_SIZE.items() if k in taken}
        # what files hold beyond levels, such as the classifier
        self.names_in_files = frozenset(whole.state_dict())
        if out_indices is None:
            with torch.device('meta'):
                info = build(arch, settings, features=True).feature_info
            out_indices = [
                index
                for index, stride in zip(
                    info.out_indices, info.reduction(), strict=True
                )
                if stride >= FINEST
            ]
        self.out_indices = tuple(out_indices)
        settings['out_indices'] = self.out_indices
        with torch.device('meta'):
            probe = build(arch, settings, features=True)
        info = probe.feature_info
        self.out_channels = tuple(info.channels())
        self.out_strides = tuple(info.reduction())
        self.channels_last = str(getattr(probe, 'output_fmt', '')).endswith(
            'NHWC'
        )
        self.coarsest = max(self.out_strides)
        self._check(probe.eval())
        odd = (2 * self.coarsest + 1, 3 * self.coarsest - 1)
        self.pads = not isinstance(self._try(probe, odd), tuple)
        self.body = build(arch, settings, features=True)

    def _try(
        self, probe: nn.Module, hw: tuple[int, int]
    ) -> tuple[Tensor, ...] | Exception:
        """Levels of an image of that size, without memory, or why none."""
        images = torch.empty(2, self.in_channels, *hw, device='meta')
        try:
            return self._levels(probe, images)
        except (AssertionError, RuntimeError) as error:
            return error

    def _check(self, probe: nn.Module) -> None:
        """Hold what timm declares against what comes out."""
        hw = (3 * self.coarsest, 2 * self.coarsest)
        levels = self._try(probe, hw)
        if isinstance(levels, Exception):
            raise ValueError(
                f'{type(self).__name__}: {self.arch_name} of timm takes no '
                f'images of {hw[0]} x {hw[1]} pixels ({levels}); choose a '
                'model for images of any size'
            )
        for level, channels, stride in zip(
            levels, self.out_channels, self.out_strides, strict=True
        ):
            declared = (2, channels, *(size // stride for size in hw))
            if tuple(level.shape) != declared:
                raise ValueError(
                    f'{type(self).__name__}: a level of {self.arch_name} of '
                    f'timm is {tuple(level.shape)}, not {declared} as '
                    'declared'
                )

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """(B, C, H, W) -> levels (B, C_i, H_i, W_i), finest first."""
        if self.pads:
            down, right = (-size % self.coarsest for size in images.shape[2:])
            images = F.pad(images, (0, right, 0, down))
        return self._levels(self.body, images)

    def _levels(self, body: nn.Module, images: Tensor) -> tuple[Tensor, ...]:
        levels = body(images)
        if self.channels_last:
            levels = [level.permute(0, 3, 1, 2) for level in levels]
        return tuple(levels)

    def init_weights(self) -> None:
        """Loads what ``init_cfg`` names; without one, keeps the weights.

        Raises:
            ValueError: If the checkpoint does not fit exactly.
        """
        config = self.init_cfg or {}
        source = config.get('checkpoint')
        if config and (config.get('type') != 'Pretrained' or not source):
            raise ValueError(
                f'{type(self).__name__}: init_cfg={config!r}; choose from '
                "dict(type='Pretrained', checkpoint=...) and None"
            )
        if source == OFFICIAL:
            self._load(self._official(), f'timm: {self.arch_name}')
        elif source:
            from vitdense.checkpoint.load import read_tensors

            self._load(read_tensors(source, config.get('sha256')), source)
        self._is_init = True

    def _official(self) -> dict[str, Tensor]:
        settings = {'in_chans': self.in_channels}
        timm = the_library()
        model = timm.create_model(self.arch_name, pretrained=True, **settings)
        found: dict[str, Tensor] = model.state_dict()
        return found

    def _load(self, held: Mapping[str, Tensor], source: str) -> None:
        own = self.body.state_dict()
        filled, dropped, problems = place(held, own, self.names_in_files)
        if problems:
            raise CheckpointError(
                f'{source} does not fit {self.arch_name} of timm; nothing was '
                'loaded:\n  ' + '\n  '.join(problems)
            )
        with torch.no_grad():
            for name, tensor in filled.items():
                own[name].copy_(tensor)
        print_log(
            f'{source}: {len(filled)} tensors loaded, {len(dropped)} of what '
            'follows the levels left out',
            logger='current',
        )

    def train(self, mode: bool = True) -> 'Timm':
        """Sets the mode; BatchNorms stay in eval mode, if asked."""
        super().train(mode)
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self
