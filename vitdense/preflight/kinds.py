"""Refuses what is of another kind than a place of a config takes."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mmengine.config import Config

# Sections of the top level, as mmengine's Runner and our tools read them.
MAPPINGS = (
    *('model', 'optim_wrapper', 'train_cfg', 'val_cfg', 'test_cfg'),
    *('train_dataloader', 'val_dataloader', 'test_dataloader'),
    *('default_hooks', 'env_cfg', 'log_processor', 'randomness'),
    *('auto_scale_lr', 'tta_model', 'custom_imports', 'visualizer'),
)
LISTS = (
    *('custom_hooks', 'param_scheduler', 'tta_pipeline'),
    *('train_evaluator', 'val_evaluator', 'test_evaluator'),
)
TRAINED = ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper')
TESTED = ('model', 'test_dataloader', 'test_cfg', 'test_evaluator')
# A mapping, or the name of one.
NAMED = ('arch',)


def check_place(cfg: Config, option: str, value: Any) -> None:
    """See that an option leads to what a value can be merged into.

    Args:
        cfg: The config without it.
        option: A dotted key.
        value: What it sets there.

    Raises:
        ValueError: If it leads into a plain value, or would put a mapping in
            its place, or a plain value into a list.
    """
    keys = option.split('.')
    node: Any = cfg._cfg_dict
    for index, key in enumerate(keys):
        place = '.'.join(keys[:index])
        if isinstance(node, list | tuple) and not key.isdigit():
            raise ValueError(
                f'--cfg-options {option}: {place} is a list; a number belongs '
                f'in the place of {key!r}'
            )
        if not isinstance(node, Mapping | list | tuple):
            raise ValueError(
                f'--cfg-options {option}: {place} is {node!r}, which has no '
                f'key {key!r}'
            )
        parent, node = node, child(node, key)
        if node is None:
            return
    mapping = isinstance(value, Mapping)
    if isinstance(parent, list | tuple) and not mapping:
        raise ValueError(
            f'--cfg-options {option}={value!r}: only a mapping can be merged '
            'into a list; set the whole list'
        )
    if mapping and not isinstance(node, Mapping) and '_delete_' not in value:
        raise ValueError(
            f'--cfg-options {option}={value!r}: the config has {node!r} '
            'there; a mapping with _delete_=True takes its place'
        )


def check_replaced(
    before: Config, after: Config, options: Iterable[str]
) -> None:
    """See that options put no plain value in the place of a mapping.

    Args:
        before: The config as its file has it.
        after: The same with the options merged in.
        options: Dotted keys.

    Raises:
        ValueError: If one does, naming what is there.
    """
    for option in options:
        old, new = before._cfg_dict, after._cfg_dict
        for key in option.split('.'):
            old, new = child(old, key), child(new, key)
        named = isinstance(new, str) and option.endswith(NAMED)
        if isinstance(old, Mapping) and not named and not _is_part(new):
            raise ValueError(
                f'--cfg-options {option}={new!r}: the config has a mapping '
                f'there; set one of its keys {sorted(old)}, or give None'
            )


def check_types(cfg: Config) -> None:
    """See that every ``type`` is one.

    Raises:
        ValueError: If one is neither a name nor a class, naming it.
    """
    for key in (*MAPPINGS, *LISTS):
        for place, kind in _types(key, cfg.get(key)):
            if not isinstance(kind, str) and not callable(kind):
                raise ValueError(
                    f'{place}={kind!r} is neither a name nor a class'
                )


def check_sections(cfg: Config, required: Iterable[str]) -> None:
    """See that sections and data sets are mappings.

    Args:
        cfg: The config.
        required: Sections that have to be there.

    Raises:
        ValueError: If one is not, naming it.
    """
    missing = [key for key in required if not cfg.get(key)]
    if missing:
        raise ValueError(f'the config has no {" and no ".join(missing)}')
    for key in (*MAPPINGS, *LISTS):
        value = cfg.get(key)
        if not isinstance(value, Mapping | None) and (
            key in MAPPINGS or not _is_part(value)
        ):
            several = ', or a list of them' * (key in LISTS)
            raise ValueError(f'{key}={value!r} is no mapping{several}')
    for key in ('train', 'val', 'test'):
        loader = cfg.get(f'{key}_dataloader') or {}
        for place, dataset in _datasets(f'{key}_dataloader', loader):
            if not isinstance(dataset, Mapping) or 'type' not in dataset:
                raise ValueError(
                    f'{place}={dataset!r} is no mapping with a type'
                )


def child(node: Any, key: str) -> Any:
    """What a key, or an index, leads to in a part of a config; or None."""
    if isinstance(node, Mapping):
        return node.get(key)
    if isinstance(node, list | tuple) and key.isdigit():
        return node[int(key)] if int(key) < len(node) else None
    return None


def _is_part(value: Any) -> bool:
    """Whether it is nothing, a mapping or a list of mappings."""
    several = value if isinstance(value, list | tuple) else [value]
    return all(isinstance(each, Mapping | None) for each in several)


def _types(place: str, node: Any) -> Iterator[tuple[str, Any]]:
    """Every ``type`` in a part of a config, and where it is."""
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(node, Mapping):
        items = node.items()
    elif isinstance(node, list | tuple):
        items = enumerate(node)
    for key, value in items:
        if key == 'type':
            yield f'{place}.type', value
        yield from _types(f'{place}.{key}', value)


def _datasets(
    place: str, node: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    """Data sets of a loader, and those that they wrap."""
    if 'dataset' in node:
        inner = [(f'{place}.dataset', node['dataset'])]
    else:
        several = node.get('datasets') or ()
        inner = [
            (f'{place}.datasets.{i}', each) for i, each in enumerate(several)
        ]
    for where, each in inner:
        yield where, each
        if isinstance(each, Mapping):
            yield from _datasets(where, each)
