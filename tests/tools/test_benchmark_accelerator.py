"""tools/benchmark_accelerator.py on a CPU, with small models."""

import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import ANY

import pytest
import torch
from interpreter import ROOT

from vitdense.benchmark.cost.measure import Comparison, CostRow
from vitdense.benchmark.cost.page import BEGIN, END

PAGE = f'# Title\n\n{BEGIN}\n\nnothing\n\n{END}\n\nrest\n'
TINY = (
    'PVT{"arch": {"design": "v1", "dims": [8, 8], "depths": [1, 1], '
    '"heads": [1, 1], "mlp_ratios": [2, 2], "reductions": [2, 1]}}'
)
TITLE = 'Backbones, 32x40, float32, eager'
SMALL = ['--device', 'cpu', '--sizes', '32x40', '--batch', '2']
SMALL += ['--repeats', '1', '--warmup', '0']
PROGRESS = f'{TITLE}: plain.{TINY}\n{TITLE}: vitdense.{TINY}\n'


@pytest.fixture
def module() -> ModuleType:
    path = ROOT / 'tools/benchmark_accelerator.py'
    spec = importlib.util.spec_from_file_location('accelerator', path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def run(
    module: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., tuple[int, str]]:
    """Runs it on a page in ``tmp_path``; gives the status and the errors."""
    (tmp_path / 'page.md').write_text(PAGE)

    def run(*options: str) -> tuple[int, str]:
        files = ['--page', 'page.md', '--json', 'made/all.json']
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, 'argv', ['x', *files, *options])
        return module.main(), capsys.readouterr().err

    return run


@pytest.fixture
def tiny_pair(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = [module.Pair(f'vitdense.{TINY}', f'plain.{TINY}', 8)]
    monkeypatch.setattr(module, 'PAIRS', pairs)


@pytest.mark.slow
@pytest.mark.usefixtures('tiny_pair')
def test_small_models_are_measured(
    run: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    assert run(*SMALL, '--only', TITLE) == (0, PROGRESS)
    page = (tmp_path / 'page.md').read_text()
    assert f'torch {torch.__version__}' in page
    assert '2 images a pass' in page
    results = json.loads((tmp_path / 'made/all.json').read_text())
    base, row = results['sections'][TITLE]['rows']
    assert base['ratios'] == {}
    assert set(row['ratios']) == {'forward', 'forward_backward'}
    assert row['deviation'] < 1e-5


@pytest.mark.usefixtures('tiny_pair')
def test_the_page_is_filled(
    module: ModuleType,
    run: Callable[..., tuple[int, str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    def pretend(comparison: Comparison) -> Iterator[CostRow]:
        assert comparison.settings.batch == 2
        assert comparison.settings.device == 'cpu'
        for entry in comparison.all_entries():
            row = CostRow(entry.name, comparison.settings)
            row.seconds['forward'] = [0.5]
            yield row

    monkeypatch.setattr(module, 'compare', pretend)
    assert run(*SMALL, '--only', TITLE, 'step') == (0, ANY)
    page = (tmp_path / 'page.md').read_text()
    assert page.startswith(f'# Title\n\n{BEGIN}\n')
    assert page.endswith(f'{END}\n\nrest\n')
    assert 'nothing' not in page
    assert page.count('### ') == 4
    assert f'| vitdense.{TINY} | 500 ms | 4 |' in page
    # of whoever measures it, wherever the repository lies
    assert '| configs/pvt/mask-rcnn_pvt-v2-b0_fpn_1x_coco.py@mmdet.' in page


def test_failed_rows_end_in_failure(
    module: ModuleType,
    run: Callable[..., tuple[int, str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    def pretend(comparison: Comparison) -> Iterator[CostRow]:
        yield CostRow('big', comparison.settings, error='out of memory')

    monkeypatch.setattr(module, 'compare', pretend)
    assert run(*SMALL, '--only', TITLE)[0] == 1
    assert '- big: out of memory\n' in (tmp_path / 'page.md').read_text()


def test_declared_rows_can_be_read(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every name is read, and every arch of every family is there."""
    from vitdense.benchmark.names import parse_backbone, parse_detector

    monkeypatch.setattr(sys, 'argv', ['x'])
    sections = module.all_sections(module.parse_args())
    assert len(sections) == 11
    for comparisons in sections.values():
        for comparison in comparisons:
            step = comparison.workload == 'step'
            parse = parse_detector if step else parse_backbone
            for entry in comparison.all_entries():
                parse(entry.name)
    (archs,) = sections['All archs, 800x1344, bfloat16, compiled']
    assert archs.settings.compiled
    names = {entry.name for entry in archs.entries}
    assert {'vitdense.PVT:v2-b2', 'vitdense.CvT:13'} < names


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--only', 'nothing'], "'nothing' is in none of the titles: Backb"),
        (['--sizes', '8y8'], "size '8y8' is neither"),
        (['--device', 'cuda:99'], "device 'cuda:99' is not there"),
        (['--page', 'none.md'], 'none.md'),
        (['--page', '/dev/null'], '/dev/null has no <!-- measured: begin'),
    ],
)
def test_bad_options(
    run: Callable[..., tuple[int, str]], options: list[str], message: str
) -> None:
    status, errors = run(*options)
    assert status == 2
    assert errors.startswith('error: ')
    assert message in errors
    assert errors.count('\n') == 1


def test_results_of_another_kind(
    run: Callable[..., tuple[int, Any]], tmp_path: Path
) -> None:
    (tmp_path / 'made').mkdir()
    (tmp_path / 'made/all.json').write_text('[]')
    status, errors = run()
    assert status == 2
    assert (
        errors == 'error: made/all.json has no sections of a page of results\n'
    )
