"""What a model's config is made of."""

from collections.abc import Iterator
from typing import Any


def parts(config: Any) -> Iterator[Any]:
    """Every dict within, from the outside."""
    if isinstance(config, dict):
        yield config
        for value in config.values():
            yield from parts(value)
    elif isinstance(config, list | tuple):
        for value in config:
            yield from parts(value)


def types_of(config: Any) -> set[str]:
    """Types of all modules in a config."""
    return {str(part['type']) for part in parts(config) if 'type' in part}


def listed(given: Any) -> list[Any]:
    """One or several, such as necks, as a list; none of what is empty."""
    if isinstance(given, list | tuple):
        return list(given)
    return [given] if given else []
