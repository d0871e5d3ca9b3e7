"""A comparison of accuracies on the screen, as Markdown, CSV and JSON."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vitdense.benchmark.accuracy.compare import Accuracy, Comparison
from vitdense.benchmark.accuracy.detection import KINDS
from vitdense.benchmark.accuracy.errors import TYPES
from vitdense.benchmark.accuracy.resampling import LEAST_IMAGES, LEVEL

COLUMNS = (
    *('model', 'less', 'figure', 'value', 'low', 'high'),
    *('spread_of_runs', 'runs', 'p'),
)
# figures of a class are "box AP: person"
OF_A_CLASS = ': '


def rows(comparison: Comparison) -> Iterator[dict[str, Any]]:
    """Every figure of every model and difference, as `COLUMNS` has them."""
    for model in comparison.models:
        for index, figure in enumerate(comparison.figures):
            yield {
                'model': model.name,
                'less': None,
                'figure': figure,
                'value': model.values[index],
                'low': model.low[index],
                'high': model.high[index],
                'spread_of_runs': model.spread[index],
                'runs': len(model.runs),
                'p': None,
            }
        for figure, gain, _ in _errors(model):
            row = dict.fromkeys(COLUMNS)
            yield {
                **row,
                'model': model.name,
                'figure': figure,
                'value': gain,
                'runs': len(model.runs),
            }
    for each in comparison.differences:
        for index, figure in enumerate(comparison.figures):
            yield {
                'model': each.second,
                'less': each.first,
                'figure': figure,
                'value': each.values[index],
                'low': each.low[index],
                'high': each.high[index],
                'spread_of_runs': None,
                'runs': None,
                'p': each.p[index],
            }


def write_csv(path: Path, comparison: Comparison) -> None:
    """Write `rows`, a line each; empty where there is nothing."""
    with path.open('w', newline='') as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for row in rows(comparison):
            writer.writerow({key: _plain(value) for key, value in row.items()})


def write_json(
    path: Path, comparison: Comparison, context: Mapping[str, Any]
) -> None:
    """Write all of it, and how it came about; NaN becomes null."""
    content = {**context, **_plain(asdict(comparison))}
    path.write_text(json.dumps(content, indent=2) + '\n')


def write_markdown(path: Path, comparison: Comparison) -> None:
    """Write the tables of the screen."""
    parts = [as_markdown(*each) for each in tables(comparison)]
    path.write_text('\n'.join(parts))


def as_markdown(title: str, header: list[str], body: list[list[str]]) -> str:
    """A table in Markdown, under its title."""
    lines = [header, ['---'] * len(header), *body]
    text = '\n'.join(
        '| ' + ' | '.join(map(_escaped, line)) + ' |' for line in lines
    )
    return f'{title}\n\n{text}\n'


def show(comparison: Comparison, screen: Console) -> None:
    """Print the tables."""
    for title, header, body in tables(comparison):
        table = Table(box=SIMPLE_HEAD, title=Text(title), title_justify='left')
        for index, each in enumerate(header):
            table.add_column(Text(each), justify='right' if index else 'left')
        for line in body:
            table.add_row(*map(Text, line))
        screen.print(table)


def resampled(comparison: Comparison) -> str:
    """What intervals come from, and whether they are known to hold."""
    text = (
        f'{comparison.images} images, {LEVEL:.0%} intervals from '
        f'{comparison.resamples} resamples of them (seed {comparison.seed})'
    )
    if comparison.images < LEAST_IMAGES:
        text += (
            f'; of fewer than {LEAST_IMAGES} images intervals may hold less '
            'often than they say'
        )
    return text


def tables(
    comparison: Comparison,
) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """Title, header and lines: of models, of their differences, of errors.

    Figures are in percent; those of classes are in the files alone.
    """
    shown = [
        index
        for index, figure in enumerate(comparison.figures)
        if OF_A_CLASS not in figure
    ]
    several = any(len(each.runs) > 1 for each in comparison.models)
    names = [each.name for each in comparison.models]
    yield (
        f'Accuracy in percent; {resampled(comparison)}'
        + ('; \u00b1 is the spread over runs' * several),
        ['figure', *names],
        [
            [
                comparison.figures[index],
                *(
                    _percent(each.values[index])
                    + _spread(each.spread[index])
                    + _interval(each.low[index], each.high[index])
                    for each in comparison.models
                ),
            ]
            for index in shown
        ],
    )
    for each in comparison.differences:
        yield (
            f'{each.second} less {each.first}',
            ['figure', 'difference', 'interval', 'p'],
            [
                [
                    comparison.figures[index],
                    _percent(each.values[index], '+'),
                    _interval(each.low[index], each.high[index]).strip(),
                    _p(each.p[index], comparison.resamples),
                ]
                for index in shown
            ],
        )

    errors = [_errors(each) for each in comparison.models]
    if errors[0]:
        yield (
            'What AP50 would gain without errors of one type, in percent, and '
            'how many there are (TIDE)',
            ['error', *names],
            [
                [
                    of_models[0][0],
                    *(
                        f'{_percent(gain, "+")} ({count:.0f})'
                        for _, gain, count in of_models
                    ),
                ]
                for of_models in zip(*errors, strict=True)
            ],
        )


def _errors(model: Accuracy) -> list[tuple[str, float, float]]:
    """Name, gain and count of the types of errors, by boxes and by masks."""
    return [
        (f'{KINDS[each.kind]} dAP50 {name}', gain, count)
        for each in model.errors
        for name, gain, count in zip(
            TYPES, each.gains, each.counts, strict=True
        )
    ]


def _percent(value: float, sign: str = '') -> str:
    return '-' if isnan(value) else f'{100 * value:{sign}.1f}'


def _spread(value: float) -> str:
    return '' if isnan(value) else f' \u00b1 {100 * value:.1f}'


def _interval(low: float, high: float) -> str:
    if isnan(low):
        return ''
    return f' [{100 * low:.1f}, {100 * high:.1f}]'


def _p(value: float, resamples: int) -> str:
    if isnan(value):
        return '-'
    least = 2 / (resamples + 1)
    return f'< {least:.3f}' if value <= least else f'{value:.3f}'


def _escaped(text: str) -> str:
    """Text that Markdown takes as it is, in a cell."""
    for sign in '\\|*_`<[':
        text = text.replace(sign, f'\\{sign}')
    return ' '.join(text.split())


def _plain(value: Any) -> Any:
    """Values that JSON has."""
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return None if isnan(value) else float(value)
    return value
