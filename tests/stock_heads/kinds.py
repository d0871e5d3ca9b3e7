"""The kinds of models that mmdet and mmseg ship configs of.

Configs are of one kind if their models have the same types of modules outside
of the backbone, which is what is exchanged.
"""

from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config

LIBRARIES = ('mmdet', 'mmseg')


class Kind(NamedTuple):
    """A kind, by one config of it."""

    library: str
    name: str
    """The first by name of those whose backbone most of them have."""
    configs: int
    """How many are of this kind."""


class Shipped(NamedTuple):
    """The model of one config."""

    name: str
    modules: frozenset[str]
    backbone: str


def folder(library: str) -> Path:
    """Where a library's configs are installed."""
    return Path(find_spec(library).submodule_search_locations[0]).joinpath(
        '.mim', 'configs'
    )


def files(library: str) -> list[str]:
    """Names of the configs, without those that are parts of others."""
    root = folder(library)
    paths = (path.relative_to(root) for path in root.rglob('*.py'))
    return sorted(
        path.with_suffix('').as_posix()
        for path in paths
        if path.parts[0] not in ('_base_', 'common')
    )


def _types(config: Any) -> Iterator[str]:
    if isinstance(config, dict):
        if 'type' in config:
            yield str(config['type'])
        for key, value in config.items():
            if key != 'backbone':
                yield from _types(value)
    elif isinstance(config, list | tuple):
        for value in config:
            yield from _types(value)


def _backbone(model: Any) -> str:
    owner = model.get('detector') or model
    return str((owner.get('backbone') or {}).get('type'))


def read(library: str) -> tuple[list[Shipped], list[str]]:
    """The models, and names of the configs that cannot be read."""
    found, unreadable = [], []
    for name in files(library):
        path = folder(library) / f'{name}.py'
        try:
            config = Config.fromfile(path, import_custom_modules=False)
        except FileNotFoundError:  # of a base that is not shipped
            unreadable.append(name)
            continue
        model = config.get('model')
        if model is not None:
            types = frozenset(_types(model))
            found.append(Shipped(name, types, _backbone(model)))
    return found, unreadable


def kinds(library: str, shipped: list[Shipped]) -> list[Kind]:
    """Each with the config that stands for it, by name."""
    groups: dict[frozenset[str], list[Shipped]] = {}
    for model in shipped:
        groups.setdefault(model.modules, []).append(model)
    found = []
    for group in groups.values():
        counted = Counter(model.backbone for model in group)
        most = max(counted, key=lambda name: counted[name])
        first = min(m.name for m in group if m.backbone == most)
        found.append(Kind(library, first, len(group)))
    return sorted(found)
