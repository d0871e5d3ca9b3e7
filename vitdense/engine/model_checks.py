"""Refuses a model that does not fit itself, its data or its checkpoint."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.model import BaseModule
from mmengine.registry import MODELS
from mmengine.runner import CheckpointLoader
from torch import nn

MAX_NAMES = 3


def build_model(cfg: Config) -> nn.Module:
    """Build the model and see that its parts fit.

    Raises:
        ValueError: If a part's input channels are not what the backbone
            declares. Whatever a part refuses itself is raised as it is.
    """
    model: nn.Module = MODELS.build(cfg.model)
    declared = getattr(model.get_submodule('backbone'), 'out_channels', None)
    if isinstance(declared, tuple):
        for place, consumer, wanted in _consumers(cfg.model, declared):
            if list(consumer) != list(wanted):
                raise ValueError(
                    f'model.{place}.in_channels={list(consumer)} does not '
                    f'fit model.backbone ({cfg.model.backbone.type}, '
                    f'arch={cfg.model.backbone.get("arch")!r}), which '
                    f'outputs {list(wanted)}'
                )
    return model


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
            yield place, *_head_channels(place, head, declared)


def _head_channels(
    place: str, head: Mapping[str, Any], declared: Sequence[int]
) -> tuple[Sequence[int], Sequence[int]]:
    channels = head['in_channels']
    indices = head.get('in_index', -1)
    if not isinstance(channels, list | tuple):
        channels, indices = [channels], [indices]
    levels = len(declared)
    if any(not -levels <= index < levels for index in indices):
        raise ValueError(
            f'model.{place}.in_index={list(indices)}: the backbone outputs '
            f'{levels} levels; choose from {list(range(levels))}'
        )
    return channels, [declared[index] for index in indices]


def check_num_classes(
    model: Mapping[str, Any], classes: Sequence[str], place: str = 'model'
) -> None:
    """See that every head predicts as many classes as the data has.

    Raises:
        ValueError: If one does not, naming it.
    """
    for key, value in model.items():
        if key == 'num_classes' and value != len(classes):
            raise ValueError(
                f'{place}.num_classes={value}, but the data set has '
                f'{len(classes)} classes: {list(classes)}'
            )
        children = value if isinstance(value, list) else [value]
        for child in children:
            if isinstance(child, dict):
                check_num_classes(child, classes, f'{place}.{key}')


def check_pretrained(model: nn.Module) -> None:
    """Load a vitdense backbone's pretrained weights, to see that they fit.

    Other backbones load in mmengine's way, which checks nothing.

    Raises:
        ValueError, OSError: As ``vitdense.checkpoint`` does.
    """
    backbone = model.get_submodule('backbone')
    ours = type(backbone).__module__.startswith('vitdense.')
    if ours and isinstance(backbone, BaseModule) and backbone.init_cfg:
        backbone.init_weights()


def check_checkpoint(model: nn.Module, source: str) -> None:
    """See that a checkpoint fills the model exactly.

    Args:
        model: What ``source`` is to be loaded into.
        source: A path, or an address that mmengine can load from.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read safely, or a name or a shape does
            not match.
    """
    if '://' not in source and not Path(source).is_file():
        raise FileNotFoundError(f'no checkpoint at {source!r}')
    loaded = CheckpointLoader.load_checkpoint(source, 'cpu', logger='silent')
    state = loaded.get('state_dict', loaded)
    state = {name.removeprefix('module.'): v for name, v in state.items()}
    own = model.state_dict()
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


def _some(names: set[str]) -> str:
    shown = ', '.join(sorted(names)[:MAX_NAMES])
    return shown + (', ...' if len(names) > MAX_NAMES else '')
