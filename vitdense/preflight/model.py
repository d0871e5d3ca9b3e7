"""Refuses a model that does not fit itself, its data or its checkpoint."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import CheckpointLoader
from torch import nn

from vitdense.backbones.family import OFFICIAL
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


def check_num_classes(
    model: Mapping[str, Any],
    classes: Sequence[str],
    data: str,
    place: str = 'model',
) -> None:
    """See that every head predicts as many classes as a data set has.

    Args:
        model: What the model is built from.
        classes: The data set's classes; none says nothing.
        data: Where in the config the data set is.
        place: Where in the config ``model`` is.

    Raises:
        ValueError: If one does not, naming it.
    """
    for key, value in model.items():
        # region proposals are objects or ground, whatever their class
        if key in ('backbone', 'rpn_head'):
            continue
        if classes and key == 'num_classes' and value != len(classes):
            raise ValueError(
                f'{place}.num_classes={value}, but {data} has '
                f'{len(classes)} classes: {list(classes)}'
            )
        children = value if isinstance(value, list) else [value]
        for child in children:
            if isinstance(child, dict):
                check_num_classes(child, classes, data, f'{place}.{key}')


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


def read_checkpoint(model: nn.Module, source: str) -> Any:
    """Read a checkpoint and see that it fills the model exactly.

    Args:
        model: What ``source`` is to be loaded into.
        source: A path, or an address that mmengine can load from.

    Raises:
        ValueError: If it cannot be read safely, or a name or a shape does
            not match.
    """
    loaded = CheckpointLoader.load_checkpoint(source, 'cpu', logger='silent')
    state = loaded.get('state_dict', loaded)
    state = {name.removeprefix('module.'): v for name, v in state.items()}
    own = getattr(model, 'module', model).state_dict()
    misfits = {
        'missing': own.keys() - state.keys(),
        'unexpected': state.keys() - own.keys(),
        'of another shape': {
            name
            for name in own.keys() & state.keys()
            if own[name].shape != state[name].shape
        },
    }
    if any(misfits.values()):
        parts = [
            f'{len(names)} {kind} ({_some(names)})'
            for kind, names in misfits.items()
            if names
        ]
        raise ValueError(
            f'{source!r} does not fit the model: {", ".join(parts)}'
        )
    return loaded


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
