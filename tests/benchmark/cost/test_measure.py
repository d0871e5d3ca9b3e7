"""How rows are compared, with workers that only pretend, and real ones."""

import os
from pathlib import Path
from typing import Any

import pytest

from vitdense.benchmark.cost import measure
from vitdense.benchmark.cost.measure import Comparison, Entry, compare
from vitdense.benchmark.cost.settings import Settings
from vitdense.benchmark.cost.worker import Worker, WorkerError

# a family of one arch, with PVT's forms
MY_NET = """
from dataclasses import replace
from vitdense import PVT
from vitdense.backbones.arch import resolve_arch

_, ARCH = resolve_arch('MyNet', dict(
    design='v2', dims=(8, 8), depths=(1, 1), heads=(1, 1), mlp_ratios=(2, 2),
    reductions=(2, 1)), PVT.family.archs)

class MyNet(PVT):
    family = replace(PVT.family, name='my', archs={'mine': ARCH})
"""


class Pretender:
    """Answers as a worker does, without running anything."""

    asked: list[tuple[str, str]]

    def __init__(self, settings: Settings, python: str | None) -> None:
        self.name = ''

    def __enter__(self) -> 'Pretender':
        return self

    def __exit__(self, *error: object) -> None:
        self.asked.append((self.name, 'end'))

    def ask(self, command: str, **arguments: Any) -> Any:
        self.name = arguments.get('name', self.name)
        self.asked.append((self.name, command))
        if self.name == f'breaks at {command}':
            raise WorkerError('too bad')
        answers = {
            'build': 7,
            'memory': {'held': 10, 'peak': 100 if self.name == 'a' else 40},
            'macs': 5e8,
            'machine': {'cores': 2},
            'product_rate': 1e10,
            'time': 0.6 if self.name == 'a' else 0.2,
            'deviation': {'good': 0.0, 'bad': 1.0}.get(self.name),
        }
        return answers[command]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    monkeypatch.setattr(measure, 'Worker', Pretender)
    monkeypatch.setattr(Pretender, 'asked', [], raising=False)
    return Pretender.asked


def comparison(*names: str, **others: Any) -> Comparison:
    settings = Settings(warmup=1, repeats=3, batch=2)
    return Comparison(
        'backbone', [Entry(n) for n in names], settings, **others
    )


def test_ratios_and_rates(asked: list[tuple[str, str]]) -> None:
    base, row = compare(comparison('b', baseline=Entry('a')))
    assert base.ratios == {}
    assert row.ratios == pytest.approx({'forward': 3, 'forward_backward': 3})
    assert row.memory_ratio == 0.4
    assert row.images_per_second('forward') == pytest.approx(10)
    assert row.matmul_share() == pytest.approx(2 * 5e8 / 0.2 / 1e10)
    assert row.spread('forward') == pytest.approx(0)


def test_sides_are_timed_in_turns(asked: list[tuple[str, str]]) -> None:
    list(compare(comparison('b', baseline=Entry('a'))))
    times = [name for name, command in asked if command == 'time']
    # the baseline's warm-up and its own row, b's warm-up, then both
    assert times == ['a'] * (2 + 6) + ['b'] * 2 + ['a', 'b'] * 6


def test_failing_rows_let_the_others_run(
    asked: list[tuple[str, str]],
) -> None:
    rows = list(
        compare(
            comparison(
                'breaks at build', 'breaks at time', 'breaks at memory', 'b'
            )
        )
    )
    assert [row.error for row in rows] == ['too bad'] * 3 + [None]
    begun = sum(command == 'build' for _, command in asked)
    assert sum(command == 'end' for _, command in asked) == begun


def test_failing_baseline_lets_the_others_run(
    asked: list[tuple[str, str]],
) -> None:
    base, row = compare(comparison('b', baseline=Entry('breaks at macs')))
    assert base.error == 'too bad'
    assert row.error is None
    assert row.ratios == {}


def test_deviating_outputs_fail_the_row(
    asked: list[tuple[str, str]],
) -> None:
    good, bad, other = compare(comparison('good', 'bad', 'b', check=True))
    assert good.error is None
    assert good.deviation == 0
    assert 'deviate from the plain form by 1.0e+00' in str(bad.error)
    assert other.deviation is None


def test_progress_reaches_its_total(asked: list[tuple[str, str]]) -> None:
    ticks: list[str] = []
    both = comparison('b', 'c', baseline=Entry('a'))
    list(compare(both, ticks.append))
    assert len(ticks) == both.count_ticks()


def test_real_workers_of_a_users_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One package lies in the current folder, one on PYTHONPATH."""
    here, path = tmp_path / 'here', tmp_path / 'path'
    for folder in (here, path):
        folder.mkdir()
    (here / 'my_nets.py').write_text('from my_parts import MyNet as Net\n')
    (path / 'my_parts.py').write_text(MY_NET)
    monkeypatch.chdir(here)
    paths = [str(path), os.environ.get('PYTHONPATH', '')]
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join(filter(None, paths)))
    settings = Settings(height=40, width=48, threads=1, repeats=1, warmup=0)
    entries = [Entry('my_nets.Net:mine')]
    (row,) = compare(Comparison('backbone', entries, settings, check=True))
    assert row.error is None
    assert row.deviation is not None
    assert row.peak_bytes > row.held_bytes > 50e6
    assert row.machine['threads'] == 1
    assert row.machine['accelerator'] is None
    assert 'torch' in row.machine['versions']


def test_interpreter_that_is_not_there() -> None:
    with pytest.raises(WorkerError, match='cannot run /no/python'):
        Worker(Settings(), '/no/python')


def test_interpreter_that_ends() -> None:
    with pytest.raises(WorkerError, match='ended with status 1'):
        Worker(Settings(), '/bin/false')
