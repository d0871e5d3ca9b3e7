"""tools/benchmark.py, by what it refuses and how it ends."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--size', '8y8'], "size '8y8' is neither"),
        (['--size', '8,16'], 'more than one size'),
        (['--batch', '0'], 'batch 0 is less than 1'),
        (['--json', 'nowhere/a.json'], 'no folder nowhere'),
        (['--baseline-python', 'python'], 'without --baseline'),
    ],
)
def test_bad_options(
    tool: Callable[..., Any], options: list[str], message: str
) -> None:
    ended = tool('benchmark.py', 'speed', 'vitdense.PVT:tiny', *options)
    assert ended.code == 2
    assert ended.out == ''
    assert ended.err.startswith('error: ')
    assert message in ended.err
    assert ended.err.count('\n') == 1


def test_failed_rows_end_in_failure(
    tool: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / 'rows.csv'
    ended = tool('benchmark.py', 'speed', 'no-form', '--csv', path)
    assert ended.code == 1
    assert 'error: no-form: backbone' in ended.out
    assert 'has none of the forms' in path.read_text()
