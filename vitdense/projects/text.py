"""Values of a config as the text of a file."""

import textwrap
from collections.abc import Mapping
from typing import Any

from vitdense.projects.found import Code

WIDTH = 79
STEP = '    '


def assignment(name: str, value: Any) -> str:
    """A line that gives a name a value, or several where it is long."""
    return f'{name} = {text(value, "", len(name) + 3)}\n'


def comment(words: str) -> str:
    """Words as lines of a comment."""
    lines = textwrap.wrap(words, WIDTH - 2, break_long_words=False)
    return ''.join(f'# {line}\n' for line in lines)


def text(value: Any, indent: str, before: int) -> str:
    """A value as code.

    Args:
        value: Mappings, lists and plain values; ``Code`` is left as it is.
        indent: What its lines begin with.
        before: How many columns of its first line are taken.
    """
    line = _line(value)
    inner = indent + STEP
    # one column for the comma behind
    if before + len(line) < WIDTH or not isinstance(value, Mapping | list):
        return line
    if isinstance(value, Mapping):
        rows = [
            f'{inner}{key}={text(v, inner, len(inner) + len(key) + 1)},\n'
            for key, v in value.items()
        ]
        return f'dict(\n{"".join(rows)}{indent})'
    if not any(isinstance(each, Mapping | list) for each in value):
        # several to a line; no break inside of a value
        words = [_line(each).replace(' ', '\0') + ',' for each in value]
        filled = textwrap.fill(
            ' '.join(words),
            WIDTH,
            initial_indent=inner,
            subsequent_indent=inner,
            break_long_words=False,
            break_on_hyphens=False,
        ).replace('\0', ' ')
        return f'[\n{filled}\n{indent}]'
    rows = [f'{inner}{text(v, inner, len(inner))},\n' for v in value]
    return f'[\n{"".join(rows)}{indent}]'


def _line(value: Any) -> str:
    if isinstance(value, Code):
        return str(value)
    if isinstance(value, Mapping):
        pairs = ', '.join(f'{key}={_line(v)}' for key, v in value.items())
        return f'dict({pairs})'
    if isinstance(value, list):
        return f'[{", ".join(map(_line, value))}]'
    return repr(value)
