"""Templates of names, such as ``block{stage}.{block}.attn.q.{wb}``.

What a field may stand for is in ``FIELDS``.
"""

import re
from collections.abc import Mapping

FIELDS = {
    'stage': r'0|[1-9]\d*',
    'block': r'0|[1-9]\d*',
    'wb': 'weight|bias',
    'bn': 'weight|bias|running_mean|running_var|num_batches_tracked',
    'qkv': 'q|k|v',
    'norm': 'norm1|norm2',
    'fc': 'fc1|fc2',
}
_FIELD = re.compile(r'\{(\w+)\}')


def fields_of(template: str) -> list[str]:
    """Its fields in order, one for each group of ``regex_of``."""
    return _FIELD.findall(template)


def regex_of(template: str, first: Mapping[str, int] | None = None) -> str:
    """What the names of a template look like, a group for each field.

    Args:
        template: The template.
        first: Least number of fields that do not begin at 0.
    """
    least = first or {}
    parts = _FIELD.split(template)
    parts[::2] = map(re.escape, parts[::2])
    parts[1::2] = [
        f'({_at_least(least.get(field, 0))}(?:{FIELDS[field]}))'
        for field in parts[1::2]
    ]
    return ''.join(parts)


def _at_least(first: int) -> str:
    return ''.join(rf'(?!{number}(?!\d))' for number in range(first))


def is_numbered(template: str) -> bool:
    """Whether its names have numbers, of which there is no end."""
    return not {'stage', 'block'}.isdisjoint(fields_of(template))


def names_of(template: str) -> tuple[str, ...]:
    """All names of a template without numbers."""
    match = _FIELD.search(template)
    if match is None:
        return (template,)
    return tuple(
        name
        for choice in FIELDS[match[1]].split('|')
        for name in names_of(template.replace(match[0], choice))
    )
