"""Sections of results on a Markdown page."""

from pathlib import Path
from typing import Any

from vitdense.benchmark.cost.measure import CostRow
from vitdense.benchmark.cost.page import BEGIN, END, ResultsPage, describe
from vitdense.benchmark.cost.settings import Settings

MACHINE = {
    'processor': 'P',
    'accelerator': 'A 100',
    'versions': {'torch': '2.9'},
    'cuda': '12.8',
    'cudnn': 91002,
    'tf32': {'products': False, 'convolutions': True},
}


def row(name: str, **others: Any) -> CostRow:
    return CostRow(name, Settings(batch=4), {'forward': [0.5]}, **others)


def test_sections_of_earlier_runs_stay(tmp_path: Path) -> None:
    page, results = tmp_path / 'page.md', tmp_path / 'new/results.json'
    page.write_text(f'above\n{BEGIN}\n{END}\nbelow\n')
    ResultsPage(page, results).write('one', [row('old')])
    ResultsPage(page, results).write('two', [row('x|y'), row('b', error='no')])
    ResultsPage(page, results).write('one', [row('new')])
    text = page.read_text()
    assert text.startswith(f'above\n{BEGIN}\n')
    assert text.endswith(f'{END}\nbelow\n')
    assert 'old' not in text
    one, two = text.split('### ')[1:]
    assert one.startswith('one\n')
    assert '| new | 500 ms | 8 |' in one
    assert two.startswith('two\n')
    assert r'| x\|y | 500 ms | 8 |' in two
    assert '- b: no' in two


def test_description() -> None:
    rows = [row('failed', error='no'), row('a', machine=MACHINE)]
    assert describe(rows).startswith(
        'A 100, torch 2.9, cuda 12.8, cudnn 91002, products of float32 in '
        'full, convolutions of float32 in TF32, 4 images a pass; '
    )
