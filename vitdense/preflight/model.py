"""Refuses a model that does not fit itself or its checkpoint."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import CheckpointLoader
from torch import nn

from vitdense.backbones.family import OFFICIAL
from vitdense.checkpoint.base import fill_in, tuned
from vitdense.checkpoint.errors import blaming
from vitdense.checkpoint.load import shapes_of
from vitdense.checkpoint.matching.rules import Shape
from vitdense.checkpoint.sharded import is_checkpoint
from vitdense.preflight.strides import check_strides

MAX_NAMES = 3


def check_parts(model: nn.Module, settings: Mapping[str, Any]) -> None:
    """See that the parts of a model fit its backbone.

    Args:
        model: The model.
        settings: What it is built from.

    Raises:
        ValueError: If a part's input channels are not what the backbone
            declares, or a head's strides not what the neck does. Whatever a
            part refuses itself is raised as it is.
    """
    inner = getattr(model, 'module', model)
    settings = settings['module'] if inner is not model else settings
    backbone = getattr(inner, 'backbone', None)
    declared = getattr(backbone, 'out_channels', None)
    if isinstance(declared, tuple):
        for place, consumer, wanted in _consumers(settings, declared):
            if list(consumer) != list(wanted):
                arch = settings['backbone'].get('arch')
                raise ValueError(
                    f'model.{place}.in_channels={list(consumer)} does not '
                    f'fit model.backbone ({type(backbone).__name__}, '
                    f'arch={arch!r}), which outputs {list(wanted)}'
                )
    check_strides(inner)


def _consumers(
    model: Mapping[str, Any], declared: Sequence[int]
) -> Iterator[tuple[str, Sequence[int], Sequence[int]]]:
    """Parts fed by the backbone: place, its channels, the backbone's."""
    if model.get('neck') is not None:
        several = isinstance(model['neck'], list)
        neck = model['neck'][0] if several else model['neck']
        place = 'neck.0' if several else 'neck'
        if isinstance(neck.get('in_channels'), list | tuple):
            yield place, neck['in_channels'], declared
        return
    for name in ('decode_head', 'auxiliary_head'):
        heads = model.get(name) or []
        several = isinstance(heads, list)
        for index, head in enumerate(heads if several else [heads]):
            place = f'{name}.{index}' if several else name
            if 'in_channels' in head:
                yield place, *_head_channels(place, head, declared)


def _head_channels(
    place: str, head: Mapping[str, Any], declared: Sequence[int]
) -> tuple[Sequence[int], Sequence[int]]:
    channels = head['in_channels']
    if isinstance(channels, list | tuple):
        indices = head.get('in_index', range(len(channels)))
    else:
        channels, indices = [channels], [head.get('in_index', -1)]
    levels = len(declared)
    if any(not -levels <= index < levels for index in indices):
        raise ValueError(
            f'model.{place}.in_index={list(indices)}: the backbone outputs '
            f'{levels} levels; choose from {list(range(levels))}'
        )
    return channels, [declared[index] for index in indices]


def check_frozen(model: nn.Module, *, whole_loaded: bool = False) -> None:
    """See that what a backbone keeps as it is has been loaded.

    Args:
        model: The model, with the weights that ``init_cfg`` gives it.
        whole_loaded: Whether all of the model is of a checkpoint.

    Raises:
        ValueError: If heads would learn from random features.
    """
    inner = getattr(model, 'module', model)
    for prefix, backbone in tuned(inner):
        kept = not any(p.requires_grad for p in backbone.parameters())
        loaded = whole_loaded or backbone.base_loaded
        if loaded or not (kept or backbone.base_names()):
            continue
        settings = 'frozen_stages', backbone.frozen_stages
        if backbone.tuning.type != 'all':
            settings = 'tune', backbone.tuning.type
        place = f'model.{prefix}'
        raise ValueError(
            f'{place}{settings[0]}={settings[1]!r} would keep random weights, '
            f'since nothing loads any; choose {place}init_cfg='
            "dict(type='Pretrained', checkpoint=...), --init-from or "
            f"load_from, or let all learn: {place}tune='all', "
            f'{place}frozen_stages=-1'
        )


def pretrained_file(cfg: Config) -> str | None:
    """The file of the backbone's pretrained weights, if it is one."""
    model = cfg.model.get('module', cfg.model)
    settings = (model.get('backbone') or {}).get('init_cfg') or {}
    source = settings.get('checkpoint') if 'checkpoint' in settings else None
    return None if source == OFFICIAL else source


def check_exists(source: str) -> None:
    """See that a checkpoint on this machine is there.

    Raises:
        FileNotFoundError: If there is no such file, or folder of parts.
    """
    path = Path(source).expanduser()
    if '://' not in source and not is_checkpoint(path):
        raise FileNotFoundError(f'no checkpoint at {source!r}')


def read_checkpoint(source: str) -> Any:
    """Read a checkpoint, safely.

    Args:
        source: A path, or an address that mmengine can load from.

    Raises:
        CheckpointError: If it cannot be read.
    """
    return CheckpointLoader.load_checkpoint(source, 'cpu', logger='silent')


def weights_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """A checkpoint's tensors, by names without the prefix of a wrapper."""
    state = content.get('state_dict', content)
    return {name.removeprefix('module.'): v for name, v in state.items()}


def whole_weights(
    model: nn.Module, source: str, content: Mapping[str, Any]
) -> dict[str, Any]:
    """A checkpoint's tensors, with the model's base if they leave it out.

    Raises:
        CheckpointError: If the model has another base.
    """
    weights = weights_of(content)
    with blaming(repr(source)):
        for prefix, part in tuned(model):
            fill_in(weights, prefix, part.state_dict(), part.plain_names())
    return weights


def check_weights(
    model: nn.Module, source: str, content: Mapping[str, Any]
) -> None:
    """See that a checkpoint fills a model exactly.

    Args:
        model: What it is to be loaded into.
        source: What messages call it.
        content: What it holds.

    Raises:
        ValueError: If a name or a shape does not match.
    """
    inner = getattr(model, 'module', model)
    held = whole_weights(inner, source, content)
    check_shapes(shapes_of(inner.state_dict()), source, shapes_of(held))


def check_shapes(
    own: Mapping[str, Shape],
    source: str,
    held: Mapping[str, Shape],
    built: str = '',
) -> None:
    """See that shapes of tensors are those of a model.

    Args:
        own: Those of the model, by name.
        source: What messages call the checkpoint.
        held: Those of the checkpoint.
        built: What messages say of how the model is built.

    Raises:
        ValueError: If a name or a shape does not match.
    """
    misfits = {
        'missing': own.keys() - held.keys(),
        'unexpected': held.keys() - own.keys(),
        'of another shape': {
            name
            for name in own.keys() & held.keys()
            if own[name] != held[name]
        },
    }
    if any(misfits.values()):
        parts = [
            f'{len(names)} {kind} ({_some(names)})'
            for kind, names in misfits.items()
            if names
        ]
        raise ValueError(
            f'{source!r} does not fit the model{built}: {", ".join(parts)}'
        )


def check_training_state(source: str, content: Mapping[str, Any]) -> None:
    """See that a run can go on from a checkpoint.

    Raises:
        ValueError: If it holds weights alone.
    """
    missing = [
        key
        for key in ('meta', 'message_hub', 'optimizer')
        if key not in content
    ]
    if missing:
        raise ValueError(
            f'{source!r} has no {missing}: it holds weights, but no state of '
            'a training to resume; load_from=... begins from weights'
        )


def _some(names: set[str]) -> str:
    shown = ', '.join(sorted(names)[:MAX_NAMES])
    return shown + (', ...' if len(names) > MAX_NAMES else '')
