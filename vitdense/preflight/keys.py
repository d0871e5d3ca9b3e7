"""Refuses options that name a key which no part of the config reads.

A key is read if the config file has it already, inside of something that is
built; or if what is built from that place takes it as a parameter
(``readers``). Where no signature tells, because a plain mapping is read key
by key, the key must at least be a word in the code that may be given the
mapping.

At the top level only what the Runner and our tools take is read. The other
names there (``data_root``, ``train_pipeline``) did their work while the file
was read, and to change them afterwards changes nothing.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from mmengine.config import Config

from vitdense.preflight.kinds import child
from vitdense.preflight.readers import (
    ANYWHERE,
    may_read,
    read_at_top,
    readers,
    top_level,
)

# Mappings whose keys are names of the user's own.
FREE = r'.*\b((backend_args|file_client_args|metainfo)(\..*)?|custom_keys)'


def check_keys(
    before: Config, after: Config, options: Mapping[str, Any]
) -> None:
    """See that every option changes something.

    Args:
        before: The config as its file has it.
        after: The same with the options merged in.
        options: Values by dotted key, as ``--cfg-options`` gives them.

    Raises:
        ValueError: If a key is read by no part of the config, naming it and
            the nearest that is read.
    """
    for option in options:
        first = option.partition('.')[0]
        if not read_at_top(first, after):
            others = _same_elsewhere(before, first)
            _refuse(option, first, others or _near(first, '', top_level()))
    for option, value in options.items():
        node_before, node_after = before._cfg_dict, after._cfg_dict
        parts = option.split('.')
        for index, key in enumerate(parts):
            place = '.'.join(parts[:index])
            if index:
                _check_key(option, key, place, node_before, node_after, after)
            node_before = child(node_before, key)
            node_after = child(node_after, key)
        _check_inside(option, option, value, node_before, node_after, after)


def _check_inside(
    option: str,
    place: str,
    value: Any,
    before: Any,
    after: Any,
    cfg: Config,
) -> None:
    """Check the keys of a value that is a mapping itself."""
    for key, inner in value.items() if isinstance(value, Mapping) else ():
        _check_key(option, key, place, before, after, cfg)
        inside = (child(before, key), child(after, key))
        _check_inside(option, f'{place}.{key}', inner, *inside, cfg)


def _check_key(
    option: str, key: str, place: str, before: Any, after: Any, cfg: Config
) -> None:
    known = isinstance(before, Mapping) and key in before
    if known or key in ANYWHERE or not isinstance(after, Mapping):
        return
    child = after.get(key)
    named = isinstance(child, Mapping) and 'type' in child
    if place == 'default_hooks' and (named or child is None):
        return  # a hook of any name, or one taken away
    if re.fullmatch(FREE, place):
        return
    names, closed = readers(place, after)
    siblings = {*names, *(before if isinstance(before, Mapping) else ())}
    if key in names:
        return
    if closed or not may_read(key, place, cfg):
        _refuse(option, key, _near(key, place, siblings))


def _refuse(option: str, key: str, nearest: Sequence[str]) -> None:
    """Raise, with the rest of the option put behind what is nearest."""
    rest = option.partition(f'{key}.')[2]
    full = [f'{each}.{rest}' if rest else each for each in nearest]
    raise ValueError(
        f'--cfg-options {option}: no part of the config reads {key!r} there; '
        f'the nearest that is read: {", ".join(full)}'
    )


def _near(key: str, place: str, names: set[str]) -> list[str]:
    """The most similar of some names at a place, or all of the few there."""
    public = sorted(n for n in names if not n.startswith('_'))
    found = get_close_matches(key, public, n=1, cutoff=0.5) or public[:8]
    return ['.'.join(filter(None, (place, name))) for name in found] or ['-']


def _same_elsewhere(cfg: Config, key: str) -> list[str]:
    """Places that are read and have this name, or else this value."""
    value = cfg.get(key)
    named, equal = [], []
    for name in cfg:
        if read_at_top(name, cfg):
            for place, leaf, inner in _walk(name, cfg[name]):
                if leaf == key:
                    named.append(place)
                elif value and type(inner) is type(value) and inner == value:
                    equal.append(place)
    return (named or equal)[:4]


def _walk(place: str, node: Any) -> Iterator[tuple[str, str, Any]]:
    yield place, place.rpartition('.')[2], node
    if isinstance(node, Mapping):
        for key in node:
            yield from _walk(f'{place}.{key}', node[key])
