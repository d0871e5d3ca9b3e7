"""What is added to a config of anybody's, so that training can be trusted."""

from collections.abc import Iterator
from typing import Any

from mmengine.config import Config, ConfigDict

from vitdense.preflight.config import type_name

FINITE = 'vitdense.StopOnNonFiniteHook'
BROKEN = 'vitdense.BrokenImagesHook'
WHOLE = 'vitdense.LoadImageFromFile'
PLAIN = {'LoadImageFromFile', 'mmcv.LoadImageFromFile'}


def set_finite_check(cfg: Config) -> None:
    """Stop at losses and gradients that are not finite.

    A config that names the hook keeps its own settings of it.
    """
    _add_hook(cfg, FINITE)


def set_whole_images(cfg: Config, skip_broken: bool = False) -> None:
    """Take no part of an image for the whole in training.

    Evaluation keeps its pipelines: inferencers of mmdet and mmseg look for
    the plain name in them.

    Args:
        cfg: The config.
        skip_broken: Whether broken images are left out, counted and listed;
            a config may say so too, in the transform.
    """
    loads = [
        each
        for each in _mappings(cfg.get('train_dataloader'))
        if 'type' in each and type_name(each['type']) in {*PLAIN, WHOLE}
    ]
    for each in loads:
        each['type'] = WHOLE
        if skip_broken:
            each['skip_broken'] = True
    if any(each.get('skip_broken') for each in loads):
        _add_hook(cfg, BROKEN)


def _add_hook(cfg: Config, kind: str) -> None:
    hooks = list(cfg.get('custom_hooks') or [])
    last = kind.rpartition('.')[2]
    there = [
        type_name(each['type']).rpartition('.')[2]
        for each in [*hooks, *(cfg.get('default_hooks') or {}).values()]
        if isinstance(each, dict) and 'type' in each
    ]
    if last not in there:
        cfg.custom_hooks = [*hooks, ConfigDict(type=kind)]


def _mappings(node: Any) -> Iterator[Any]:
    """All mappings in a part of a config, itself among them."""
    if isinstance(node, dict):
        yield node
        node = list(node.values())
    for each in node if isinstance(node, list | tuple) else ():
        yield from _mappings(each)
