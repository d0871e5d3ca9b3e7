"""Benchmark results as a table on the screen, as JSON and as CSV."""

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vitdense.benchmark.cost.growth import Growth
from vitdense.benchmark.cost.measure import CostRow
from vitdense.benchmark.cost.settings import FORWARD, FORWARD_BACKWARD

GIB = 2**30
WIDTH = 160  # columns where the output is no terminal


def console() -> Console:
    """Standard output, wide enough for a table where it is a file."""
    screen = Console()
    return screen if screen.is_terminal else Console(width=WIDTH)


def flatten(row: CostRow) -> dict[str, Any]:
    """A row as one line of a CSV file; None is what was not measured."""
    return {
        'name': row.name,
        **asdict(row.settings),
        'forward_s': row.median(FORWARD),
        'forward_spread_s': row.spread(FORWARD),
        'forward_speedup': row.ratios.get(FORWARD),
        'forward_backward_s': row.median(FORWARD_BACKWARD),
        'forward_backward_spread_s': row.spread(FORWARD_BACKWARD),
        'forward_backward_speedup': row.ratios.get(FORWARD_BACKWARD),
        'peak_bytes': row.peak_bytes,
        'held_bytes': row.held_bytes,
        'memory_ratio': row.memory_ratio,
        'parameters': row.parameters,
        'macs': row.macs,
        'forward_images_per_s': row.images_per_second(FORWARD),
        'forward_backward_images_per_s': row.images_per_second(
            FORWARD_BACKWARD
        ),
        'share_of_product_rate': row.matmul_share(),
        'deviation': row.deviation,
        'error': row.error,
    }


def cells(rows: Sequence[CostRow]) -> dict[str, list[str]]:
    """Columns, by their titles, of a table of the rows without an error.

    Columns that no row has a figure for are left out.
    """
    columns: dict[str, Callable[[CostRow], str]] = {
        'model': lambda row: row.name,
        'forward': lambda row: _time(row, FORWARD),
        'faster': lambda row: _number(row.ratios.get(FORWARD), '{:.2f} x'),
        'forward + backward': lambda row: _time(row, FORWARD_BACKWARD),
        'faster ': lambda row: _number(
            row.ratios.get(FORWARD_BACKWARD), '{:.2f} x'
        ),
        'peak': lambda row: _number(row.peak_bytes, '{:.2f} GiB', GIB),
        'of base': lambda row: _number(row.memory_ratio, '{:.2f} x'),
        'params': lambda row: _number(row.parameters, '{:.2f} M', 1e6),
        'MAC': lambda row: _number(row.macs, '{:.2f} G', 1e9),
        'img/s': lambda row: _number(row.images_per_second(FORWARD), '{:.3g}'),
        'of matmul': lambda row: _number(row.matmul_share(), '{:.0f} %', 0.01),
        'deviation': lambda row: _number(row.deviation, '{:.1e}'),
    }
    measured = [row for row in rows if row.error is None]
    filled = {
        title: [cell(row) for row in measured]
        for title, cell in columns.items()
    }
    return {title: column for title, column in filled.items() if any(column)}


def show_rows(rows: Sequence[CostRow], screen: Console) -> None:
    """Prints the rows that were measured, then why others were not."""
    _print_table(cells(rows), screen)
    show_errors(rows, screen)


def to_markdown(rows: Sequence[CostRow]) -> list[str]:
    """Lines of a Markdown table, and a list of why rows are missing."""
    columns = cells(rows)
    body = zip(*columns.values(), strict=True)
    lines = [columns, ['---'] * len(columns), *body] if columns else []
    escaped = ([cell.replace('|', r'\|') for cell in line] for line in lines)
    return [
        *(f'| {" | ".join(line)} |' for line in escaped),
        '',
        *(f'- {line}' for line in _errors(rows)),
    ]


def show_growth(growths: Sequence[Growth], screen: Console) -> None:
    """Prints exponents over area, then why sizes are missing."""
    titles = {
        FORWARD: 'forward',
        FORWARD_BACKWARD: 'forward + backward',
        'memory': 'memory',
        'macs': 'MAC',
    }
    exponents = [growth.exponents() for growth in growths]
    columns = {
        'exponent of area': [growth.name for growth in growths],
        **{
            title: [_number(e.get(key), '{:.2f}') for e in exponents]
            for key, title in titles.items()
        },
    }
    _print_table(columns, screen)
    show_errors([row for growth in growths for row in growth.rows], screen)


def show_errors(rows: Sequence[CostRow], screen: Console) -> None:
    """Prints one line for each row that failed, each line once."""
    for line in _errors(rows):
        screen.print(
            f'error: {line}', markup=False, highlight=False, soft_wrap=True
        )


def _errors(rows: Sequence[CostRow]) -> list[str]:
    lines = (f'{row.name}: {row.error}' for row in rows if row.error)
    return list(dict.fromkeys(lines))


def to_record(row: CostRow) -> dict[str, Any]:
    """Everything that was measured, single times included, for JSON."""
    return {**flatten(row), **asdict(row)}


def write_json(
    path: Path, rows: Sequence[CostRow], about: dict[str, Any]
) -> None:
    """Writes everything that was measured, single times included.

    Args:
        path: Is replaced.
        rows: What was measured.
        about: Goes in front, such as the command.
    """
    results = [to_record(row) for row in rows]
    path.write_text(json.dumps({**about, 'rows': results}, indent=2) + '\n')


def write_csv(path: Path, rows: Sequence[CostRow]) -> None:
    """Writes a line for each row, below a line of column names.

    Args:
        path: Is replaced.
        rows: What was measured; at least one.
    """
    lines = [flatten(row) for row in rows]
    with path.open('w', newline='') as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)


def _print_table(columns: dict[str, list[str]], screen: Console) -> None:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for index, title in enumerate(columns):
        table.add_column(
            title, justify='right' if index else 'left', overflow='fold'
        )
    for cells in zip(*columns.values(), strict=True):
        table.add_row(*(Text(cell) for cell in cells))
    if table.row_count:
        screen.print(table, highlight=False)


def _time(row: CostRow, mode: str) -> str:
    seconds, spread = row.median(mode), row.spread(mode)
    scale, unit = (1, 's') if (seconds or 0) >= 1 else (1e-3, 'ms')
    text = _number(seconds, '{:.3g}', scale)
    if spread is not None:
        text += _number(spread, ' ± {:.2g}', scale)
    return f'{text} {unit}' if text else ''


def _number(value: float | None, form: str, unit: float = 1) -> str:
    return '' if value is None else form.format(value / unit)
