"""The configs of a sweep: a recipe, a backbone, a seed."""

from collections.abc import Mapping
from pathlib import Path
from pprint import pformat
from typing import Any

from mmengine.config import Config

from vitdense.benchmark.sweep.backbones import Backbone
from vitdense.preflight.cli import nothing_shown
from vitdense.preflight.readers import parameters, resolve
from vitdense.preflight.ready_configs import CONFIGS

RECIPES = CONFIGS / '_base_' / 'recipes'


def find_recipe(name: str) -> Path:
    """A recipe of ``configs/_base_``, or a file of the user's.

    Raises:
        ValueError: If there is none of that name.
    """
    for path in (RECIPES / f'{name}.py', Path(name)):
        if path.is_file():
            return path.resolve()
    known = sorted(path.stem for path in RECIPES.glob('*.py'))
    raise ValueError(f'--recipe {name!r} is no file, nor one of {known}')


def compose(
    recipe: Path, backbone: Backbone, seed: int, options: Mapping[str, Any]
) -> str:
    """Text of the config that trains a backbone.

    Args:
        recipe: The file it inherits.
        backbone: Takes the place of the recipe's own, if that has one; what
            the recipe sets there is kept where the backbone takes it.
        seed: Of all random numbers.
        options: Settings that replace the recipe's, which the command line
            of the training has: written down to tell one sweep from another.

    Raises:
        ValueError: If the levels are not those that the recipe is for.
    """
    base = Config.fromfile(recipe)
    with nothing_shown():
        kind, *_ = resolve(backbone.settings['type'])
    taken, closed = parameters(kind)
    kept = {
        key: value
        for key, value in (base.model.get('backbone') or {}).items()
        if key in taken or not closed
    }
    settings = {'_delete_': True, **kept, **backbone.settings}
    if 'backbone' not in base.model:
        del settings['_delete_']
    model = {'backbone': settings, **_fed(base, recipe, backbone)}
    lines = [
        f'# --cfg-options {options!r}' if options else '',
        f'_base_ = {str(recipe)!r}\n',
        f'model = {pformat(model, sort_dicts=False)}',
        f'randomness = {{"seed": {seed}}}\n',
    ]
    return '\n'.join(lines).lstrip()


def _fed(base: Config, recipe: Path, backbone: Backbone) -> dict[str, Any]:
    """What the backbone's levels are given to."""
    channels, strides = list(backbone.channels), backbone.strides
    wanted = (4, 8, 16, 32)
    detects = base.default_scope == 'mmdet'
    heads = _strides_of_heads(base.model)
    if strides != wanted[: len(strides)] or (
        not detects and heads and len(heads) != len(strides)
    ):
        expected = list(heads or wanted) if not detects else list(wanted)
        raise ValueError(
            f'{backbone.name} has levels at strides {list(strides)}, '
            f'{recipe.stem} is for {expected}; choose another recipe, or '
            'write a config with a neck that fits'
        )
    if base.model.get('neck') is None:
        index = base.model.auxiliary_head.get('in_index', 2)
        return {
            'decode_head': {'in_channels': channels},
            'auxiliary_head': {'in_channels': channels[index]},
        }
    neck: dict[str, Any] = {'in_channels': channels}
    if detects and len(strides) < len(wanted):
        neck['add_extra_convs'] = 'on_input'
    return {'neck': neck}


def _strides_of_heads(model: Mapping[str, Any]) -> tuple[int, ...]:
    """Those that a segmenter's head reads."""
    head = model.get('decode_head') or {}
    if 'feature_strides' in head:
        return tuple(head['feature_strides'])
    return tuple(4 << index for index in head.get('in_index', ()))
