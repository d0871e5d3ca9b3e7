"""The backbones of a sweep: by name, with their levels."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import MODELS

from vitdense.benchmark.build import find_class, outputs_of
from vitdense.benchmark.names import LIBRARIES, parse_backbone
from vitdense.preflight.cli import nothing_shown
from vitdense.preflight.readers import parameters
from vitdense.preflight.ready_configs import CONFIGS

BASES = CONFIGS / '_base_' / 'backbones'
# large enough for windows and patches, and a multiple of their strides
SIDE_PX = 256


@dataclass(frozen=True)
class Backbone:
    """A backbone that recipes are given.

    Attributes:
        name: Of its runs.
        settings: What registries build it from.
        channels: Of its levels, finest first.
        strides: Of its levels, in pixels.
    """

    name: str
    settings: Mapping[str, Any]
    channels: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def spec(self) -> str:
        """Its name as ``vitdense.benchmark.names`` reads it."""
        arguments = {
            key: value
            for key, value in self.settings.items()
            if key not in ('type', 'init_cfg')
        }
        return f'{self.settings["type"]}{json.dumps(arguments)}'


def read_backbones(texts: Sequence[str]) -> list[Backbone]:
    """Find backbones, and their levels by running each once on ``meta``.

    Args:
        texts: Of each a base in ``configs/_base_/backbones``, a config whose
            backbone is meant, or a name as ``vitdense.benchmark.names`` reads
            it, where ``mmdet.ResNet:50`` is its ``depth``; with ``NAME=`` in
            front or not.

    Raises:
        ValueError, OSError: If one is not known or cannot be run.
    """
    found: dict[str, Backbone] = {}
    for text in texts:
        name, equals, source = text.partition('=')
        if not equals or not re.fullmatch(r'[\w.-]+', name):
            name, source = '', text
        try:
            with nothing_shown():
                settings = _settings(source)
                channels, strides = levels_of(settings)
        except (ValueError, OSError, ImportError) as error:
            raise ValueError(f'--backbones {text}: {error}') from None
        plain = Path(source).stem if source.endswith('.py') else source
        name = name or re.sub(r'[^\w.-]+', '-', plain).strip('-')
        if name in found:
            raise ValueError(f'--backbones: {name!r} is there twice')
        found[name] = Backbone(name, settings, channels, strides)
    return list(found.values())


def _settings(source: str) -> dict[str, Any]:
    base = BASES / f'{source}.py'
    if base.is_file():
        return Config.fromfile(base).backbone.to_dict()
    if source.endswith('.py'):
        if not Path(source).is_file():
            raise FileNotFoundError(f'there is no config {source}')
        return Config.fromfile(source).model.backbone.to_dict()
    if '.' not in source.partition('{')[0] and ':' not in source:
        known = sorted(path.stem for path in BASES.glob('*.py'))
        raise ValueError(
            f'{source!r} is no base of configs; choose from {known}, a '
            'CONFIG.py, or PACKAGE.TYPE such as mmdet.ResNet:50'
        )
    spec = parse_backbone(source)
    if spec.source in LIBRARIES or spec.plain:
        raise ValueError(
            f'{spec.source} has no backbone that a config can name; choose '
            'PACKAGE.TYPE'
        )
    kind = find_class(spec)
    settings = {'type': f'{spec.source}.{spec.type}', **spec.arguments}
    if spec.variant:
        names, _ = parameters(kind)
        key = 'depth' if 'arch' not in names and 'depth' in names else 'arch'
        number = spec.variant.isdigit() and key == 'depth'
        settings[key] = int(spec.variant) if number else spec.variant
    return settings


def levels_of(
    settings: Mapping[str, Any],
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Channels and strides of a backbone's levels, without any arithmetic.

    Raises:
        ValueError: If it cannot be built or run.
    """
    plain = {k: v for k, v in settings.items() if k != 'init_cfg'}
    images = torch.zeros(1, 3, SIDE_PX, SIDE_PX, device='meta')
    try:
        # some cannot be built on meta, as they ask for values
        backbone = MODELS.build(plain).to('meta')
        backbone.eval()  # of some it gives nothing
        with torch.device('meta'), torch.no_grad():
            levels = outputs_of(backbone(images))
    except Exception as error:  # whatever a user's class may raise
        line = ' '.join(str(error).split())
        raise ValueError(f'it cannot be run once: {line}') from error
    return (
        tuple(each.shape[1] for each in levels),
        tuple(SIDE_PX // each.shape[-1] for each in levels),
    )
