"""Results on the screen and on disk."""

import csv
import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from vitdense.benchmark.cost.measure import CostRow
from vitdense.benchmark.cost.settings import Settings
from vitdense.benchmark.cost.tables import show_rows, write_csv, write_json

GOOD = CostRow(
    'mmdet.ResNet{"x": [1]}',
    Settings(),
    seconds={'forward': [0.010, 0.012, 0.011]},
    parameters=3_410_000,
    macs=566e6,
    peak_bytes=3 * 2**29,
)
BAD = CostRow('timm:none', Settings(), error='timm has no model [none]')


def test_screen() -> None:
    file = io.StringIO()
    show_rows([GOOD, BAD], Console(file=file, width=200))
    lines = file.getvalue().splitlines()
    (line,) = (text for text in lines if 'ResNet' in text)
    assert line.split('  ')[0].strip() == GOOD.name
    for cell in ('11 ± 0.5 ms', '1.50 GiB', '3.41 M', '0.57 G', '90.9'):
        assert cell in line
    # nothing was compared or checked: no such columns
    assert 'faster' not in file.getvalue()
    assert 'deviation' not in file.getvalue()
    assert lines[-1] == 'error: timm:none: timm has no model [none]'


def test_long_errors_stay_one_line() -> None:
    file = io.StringIO()
    row = CostRow('a', Settings(), error='word ' * 50)
    show_rows([row, row], Console(file=file, width=40))
    assert len(file.getvalue().splitlines()) == 1


def test_files(tmp_path: Path) -> None:
    write_csv(tmp_path / 'a.csv', [GOOD, BAD])
    write_json(tmp_path / 'a.json', [GOOD, BAD], {'command': 'x'})
    with (tmp_path / 'a.csv').open() as file:
        good, bad = csv.DictReader(file)
    assert float(good['forward_s']) == 0.011
    assert good['height'] == '224'
    assert bad['error'] == BAD.error
    assert bad['forward_s'] == ''
    results = json.loads((tmp_path / 'a.json').read_text())
    assert results['command'] == 'x'
    assert results['rows'][0]['seconds'] == GOOD.seconds
    assert results['rows'][0]['macs'] == pytest.approx(566e6)
