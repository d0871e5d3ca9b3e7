"""What a resumed run must have in common with the one that it goes on."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from mmengine.device import get_device
from mmengine.dist import get_world_size

# Settings that change neither weights nor scores of a training.
WITHOUT_EFFECT = (
    *('work_dir', 'resume', 'load_from', 'launcher', 'log_level'),
    *('visualizer', 'vis_backends', 'log_processor', 'env_cfg.dist_cfg'),
    *('default_hooks', 'test_dataloader', 'test_evaluator', 'test_cfg'),
    # the seed of the checkpoint is taken
    *('randomness.seed', 'model.backbone.init_cfg'),
)
WITHOUT_EFFECT_IN_LOADERS = (
    *('num_workers', 'persistent_workers', 'pin_memory', 'prefetch_factor'),
    'timeout',
)
MAX_SHOWN = 8


def identity_of(runner: Any) -> dict[str, Any]:
    """What a run is determined by, apart from its seed, as plain data."""
    loop = runner.train_loop
    batches = loop.dataloader.batch_sampler
    return {
        'processes': get_world_size(),
        'images a process': getattr(batches, 'batch_size', None),
        'pictures': len(loop.dataloader.dataset),
        'annotations': _digest(loop.dataloader.dataset),
        'threads': torch.get_num_threads(),
        'device': get_device(),
        'PyTorch': str(torch.__version__),
        'settings': dict(_settings('', runner.cfg)),
    }


def differences(
    before: Mapping[str, Any], now: Mapping[str, Any]
) -> list[str]:
    """What is another than it was, each as ``name: before -> now``."""
    before, now = _flat(before), _flat(now)
    names = sorted(before.keys() | now.keys())
    absent = 'not there'
    return [
        f'{name}: {before.get(name, absent)} -> {now.get(name, absent)}'
        for name in names
        if before.get(name, absent) != now.get(name, absent)
    ]


def _flat(identity: Mapping[str, Any]) -> dict[str, Any]:
    rest = {k: v for k, v in identity.items() if k != 'settings'}
    return {**identity['settings'], **rest}


def _settings(place: str, node: Any) -> Iterator[tuple[str, str]]:
    """The settings that have an effect, by dotted key."""
    parent, _, key = place.rpartition('.')
    if place in WITHOUT_EFFECT or (
        parent.endswith('_dataloader') and key in WITHOUT_EFFECT_IN_LOADERS
    ):
        return
    if isinstance(node, Mapping) or hasattr(node, '_cfg_dict'):
        for name in node:
            inner = f'{place}.{name}' if place else str(name)
            yield from _settings(inner, node[name])
    elif isinstance(node, list | tuple) and any(
        isinstance(each, Mapping | list | tuple) for each in node
    ):
        for index, each in enumerate(node):
            yield from _settings(f'{place}.{index}', each)
    else:
        named = isinstance(node, type) or callable(node)
        yield place, node.__name__ if named else repr(node)


def _digest(dataset: Any) -> str:
    """sha256 over the annotations of mmengine's data sets, in any wrappers.

    A data set of another kind gives nothing to it but its length.
    """
    digest = hashlib.sha256()
    waiting = [dataset]
    while waiting:
        each = waiting.pop()
        inner = getattr(each, 'datasets', None) or [
            getattr(each, 'dataset', None)
        ]
        waiting += [other for other in inner if other is not None]
        digest.update(str(len(each)).encode())
        annotations = getattr(each, 'data_bytes', None)
        listed = getattr(each, 'data_list', None)
        if isinstance(annotations, np.ndarray):
            digest.update(annotations.data)
        elif isinstance(listed, list):  # serialize_data=False
            digest.update(json.dumps(listed, default=repr).encode())
    return digest.hexdigest()[:16]
