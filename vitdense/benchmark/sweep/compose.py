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
SCOPES = ('mmdet', 'mmseg')
STRIDES = (4, 8, 16, 32)
# Necks that take one map, or blocks, of a plain ViT.
OF_ONE_STRIDE = ('SimpleFeaturePyramid', 'MultiLevelNeck', 'BatchNormNeck')


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
    indices = _levels_taken(base, recipe, backbone)
    if 'out_indices' in (base.model.get('backbone') or {}):
        if 'out_indices' not in kept:
            raise ValueError(
                f'{recipe.stem} takes some levels by out_indices, which '
                f'{backbone.name} does not have; choose another recipe'
            )
        settings['out_indices'] = indices
    channels = [backbone.channels[index] for index in indices]
    model = {'backbone': settings, **_fed(base, recipe, channels)}
    lines = [
        f'# --cfg-options {options!r}' if options else '',
        f'_base_ = {str(recipe)!r}\n',
        f'model = {pformat(model, sort_dicts=False)}',
        f'randomness = {{"seed": {seed}}}\n',
    ]
    return '\n'.join(lines).lstrip()


def _levels_taken(
    base: Config, recipe: Path, backbone: Backbone
) -> tuple[int, ...]:
    """Which of the backbone's levels the recipe takes, of those it has."""
    (first, *_) = _necks(base) or [{}]
    kind = first.get('type', '').rpartition('.')[2]
    if base.default_scope not in SCOPES or kind in OF_ONE_STRIDE:
        raise ValueError(
            f'--recipe {recipe.stem} is for plain ViTs or classifiers, whose '
            'backbones a sweep does not exchange; choose another recipe'
        )
    count = len(backbone.strides)
    chosen = (base.model.get('backbone') or {}).get('out_indices')
    heads = _strides_of_heads(base.model) or STRIDES
    wanted = chosen or range(len(heads))
    taken = tuple(index for index in wanted if index < count)
    # mmdet's necks make the levels that a backbone lacks
    makes = kind == 'ChannelMapper' or (
        base.default_scope == 'mmdet' and 'num_outs' in first
    )
    if (
        backbone.strides != STRIDES[:count]
        or not taken
        or (not makes and len(taken) < len(wanted))
        or (not chosen and len(taken) < count)
    ):
        raise ValueError(
            f'{backbone.name} has levels at strides {list(backbone.strides)}, '
            f'{recipe.stem} is for {[STRIDES[i] for i in wanted]}; choose '
            'another recipe, or write a config with a neck that fits'
        )
    return taken


def _necks(base: Config) -> list[Any]:
    necks = base.model.get('neck') or []
    return necks if isinstance(necks, list) else [necks]


def _fed(base: Config, recipe: Path, channels: list[int]) -> dict[str, Any]:
    """What takes the backbone's levels, told their channels."""
    necks = _necks(base)
    if len(necks) > 1:
        first, *others = (each.to_dict() for each in necks)
        return {'neck': [{**first, 'in_channels': channels}, *others]}
    if necks:
        neck: dict[str, Any] = {'in_channels': channels}
        lacks = base.default_scope == 'mmdet' and len(channels) < len(STRIDES)
        makes = 'num_outs' in necks[0] and necks[0].type.endswith('FPN')
        if lacks and makes:
            neck['add_extra_convs'] = necks[0].get(
                'add_extra_convs', 'on_input'
            )
        return {'neck': neck}
    fed: dict[str, Any] = {
        key: {'in_channels': channels}
        for key in ('decode_head', 'panoptic_head')
        if key in base.model
    }
    if not fed:
        raise ValueError(
            f'--recipe {recipe.stem} has no neck, and no head that takes all '
            'levels; choose another recipe'
        )
    if auxiliary := base.model.get('auxiliary_head'):
        index = auxiliary.get('in_index', 2)
        fed['auxiliary_head'] = {'in_channels': channels[index]}
    return fed


def _strides_of_heads(model: Mapping[str, Any]) -> tuple[int, ...]:
    """Those that a head of segments reads."""
    head = model.get('decode_head') or model.get('panoptic_head') or {}
    for key in ('feature_strides', 'strides'):
        if key in head:
            return tuple(head[key])
    return tuple(4 << index for index in head.get('in_index', ()))
