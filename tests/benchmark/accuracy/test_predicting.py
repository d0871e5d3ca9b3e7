"""Which runs are no comparison, and what is told while one is predicted."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vitdense.benchmark.accuracy import predicting
from vitdense.benchmark.accuracy.kept import DetectionParts
from vitdense.benchmark.accuracy.model_run import ModelRun
from vitdense.benchmark.accuracy.predicting import (
    Described,
    Predicting,
    known_runs,
    predict,
)
from vitdense.benchmark.accuracy.run_names import Trained

RUN = ModelRun('A', Path('a.json'), Path('val.json'), classes=('cat', 'dog'))
NAMED = Trained(Path('config.py'), Path('epoch_1.pth'))
NOTHING = Predicting()


def refused(
    monkeypatch: pytest.MonkeyPatch,
    *others: Described,
    annotations: Path | None = None,
) -> str:
    """What is said of A and others, before anything is predicted."""
    runs = {'A': Described(RUN, 'abc', 5, ())}
    runs |= {each.run.name: each for each in others}
    monkeypatch.setattr(
        predicting, 'describe', lambda name, trained, how: runs[name]
    )
    named = {name: [NAMED] for name in runs}
    with pytest.raises(ValueError, match='A ') as error:
        known_runs(named, annotations, NOTHING, lambda title, count: print)
    return str(error.value)


@pytest.mark.parametrize(
    ('change', 'digest', 'message'),
    [
        (
            {'classes': ('cat', 'dog', 'eel')},
            'abc',
            "A has 2 classes, B has 3; not in both: ['eel']",
        ),
        (
            {'classes': ('dog', 'cat')},
            'abc',
            'A has 2 classes, B has 2; in another order',
        ),
        (
            {'annotations': Path('test.json')},
            'other',
            "A is tested on 'val.json', B on 'test.json', which differ",
        ),
        (
            {'reduce_zero_label': True},
            'abc',
            'A has reduce_zero_label=False, B has True; the same labels are '
            'other classes',
        ),
    ],
)
def test_runs_on_other_data(
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, Any],
    digest: str,
    message: str,
) -> None:
    other = replace(RUN, name='B', **change)
    assert refused(monkeypatch, Described(other, digest, 5, ())) == message


def test_another_truth_than_the_configs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    truth = tmp_path / 'mine.json'
    truth.write_text('{}')
    assert refused(monkeypatch, annotations=truth) == (
        f"--annotations '{truth}' is not what A is tested on, 'val.json'; "
        'leave it out'
    )


def test_images_are_counted_as_they_are_predicted(tmp_path: Path) -> None:
    """Once by the process that predicts, then at once by what is kept."""
    path = tmp_path / 'a.json'
    parts = DetectionParts(path)
    parts.folder.mkdir()
    parts.write(0, [{'score': 0.5}])
    # the third is of two processes at once
    lines = ('predicted 2', 'a line', 'predicted 2predicted 2', 'predicted 3')
    command = (sys.executable, '-c', f"print(*{lines}, sep='\\n')")
    described = Described(replace(RUN, predictions=path), '', 5, command)
    counted: list[int] = []
    predict(described, counted.append)
    assert counted == [2, 3]
    predict(described, counted.append)
    assert counted == [2, 3, 5]


def test_why_nothing_is_predicted(tmp_path: Path) -> None:
    said = "import sys; print('a line'); sys.exit('error: it cannot')"
    command = (sys.executable, '-c', said)
    run = replace(RUN, predictions=tmp_path / 'a.json')
    with pytest.raises(ValueError, match=r'^it cannot$'):
        predict(Described(run, '', 5, command), print)
