"""Settings of a benchmark."""

from typing import Any

import pytest

from vitdense.benchmark.cost.settings import Settings, parse_size


def test_size() -> None:
    assert parse_size('800x1344') == (800, 1344)
    assert parse_size('512') == (512, 512)


@pytest.mark.parametrize('text', ['', 'x', '5x', 'x5', '1x2x3', '-4', '2.5'])
def test_size_without_a_form(text: str) -> None:
    with pytest.raises(ValueError, match='is neither HEIGHTxWIDTH'):
        parse_size(text)


@pytest.mark.parametrize(
    'bad',
    [
        dict(height=0),
        dict(width=0),
        dict(batch=0),
        dict(repeats=0),
        dict(warmup=-1),
        dict(threads=0),
    ],
)
def test_less_than_the_least(bad: dict[str, Any]) -> None:
    ((name, value),) = bad.items()
    with pytest.raises(ValueError, match=f'{name} {value} is less than'):
        Settings(**bad)


def test_unknown_dtype() -> None:
    with pytest.raises(ValueError, match="'int8' is not one of"):
        Settings(dtype='int8')
