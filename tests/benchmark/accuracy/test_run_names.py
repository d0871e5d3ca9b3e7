"""What is taken for a run, and what a work folder says of its training."""

import json
from pathlib import Path

import pytest

from vitdense.benchmark.accuracy.run_names import (
    Results,
    Trained,
    read_names,
)
from vitdense.preflight.trained import curves


@pytest.fixture
def work_dir(tmp_path: Path) -> Path:
    folder = tmp_path / 'a run'
    folder.mkdir()
    for name in ('config.py', 'epoch_1.pth', 'epoch_2.pth'):
        (folder / name).touch()
    (folder / 'last_checkpoint').write_text('epoch_2.pth')
    return folder


def test_forms(work_dir: Path) -> None:
    config, last = work_dir / 'config.py', work_dir / 'epoch_2.pth'
    trained = Trained(config, last, work_dir)
    first = work_dir / 'epoch_1.pth'
    results = work_dir.parent / 'a=b.json'
    results.touch()
    assert read_names(
        [
            str(work_dir),
            f'{config}:{first}',
            f'seeds={work_dir},{config}:{last}',
            f'other={results}',
        ]
    ) == {
        'a run': [trained],
        'config': [Trained(config, first)],
        'seeds': [trained, Trained(config, last)],
        'other': [Results(results)],
    }


def test_the_best_checkpoint_and_one_that_was_moved(work_dir: Path) -> None:
    (work_dir / 'last_checkpoint').write_text('/elsewhere/epoch_1.pth')
    ((run,),) = read_names([str(work_dir)]).values()
    assert run == Trained(
        work_dir / 'config.py', work_dir / 'epoch_1.pth', work_dir
    )
    best = work_dir / 'best_coco_bbox_mAP_epoch_1.pth'
    best.touch()
    ((run,),) = read_names([str(work_dir)]).values()
    assert isinstance(run, Trained)
    assert run.checkpoint == best


@pytest.mark.parametrize(
    ('change', 'run', 'message'),
    [
        ({}, '{0}/no.py:{0}/epoch_1.pth', "there is no '{0}/no.py'"),
        ({}, 'A={0}/config.py:{0}/no.pth', "A: there is no '{0}/no.pth'"),
        ({}, '{0},{0}', "there is no '{0},{0}'|names no run"),
        ({'last_checkpoint': None}, '{0}', "'{0}' has no checkpoint"),
        ({'other.py': ''}, '{0}', "'{0}' has .'config.py', 'other.py'."),
        ({'config.py': None}, '{0}', "'{0}' has no config"),
        ({'best_1': '', 'best_2': ''}, '{0}', "has .'best_1', 'best_2'."),
    ],
)
def test_what_is_no_run(
    work_dir: Path, change: dict[str, str | None], run: str, message: str
) -> None:
    for name, content in change.items():
        if content is None:
            (work_dir / name).unlink()
        else:
            (work_dir / name).write_text(content)
    with pytest.raises((ValueError, OSError), match=message.format(work_dir)):
        read_names([run.format(work_dir)])


def test_curves_of_a_run_that_was_resumed(work_dir: Path) -> None:
    """Scores have the step before them; what was done again counts."""
    for moment, lines in {
        '20260101_000000': [
            {'loss': 3.0, 'epoch': 1, 'iter': 5, 'step': 5},
            {'coco/bbox_mAP': 0.1, 'step': 1},
            {'loss': 2.0, 'epoch': 2, 'iter': 10, 'step': 10},
        ],
        '20260101_010000': [
            {'loss': 1.0, 'epoch': 2, 'iter': 10, 'step': 10},
            {'coco/bbox_mAP': 0.2, 'step': 2},
        ],
    }.items():
        folder = work_dir / moment / 'vis_data'
        folder.mkdir(parents=True)
        (folder / 'scalars.json').write_text(
            '\n'.join([*map(json.dumps, lines), '{"loss": 0.'])
        )
    assert [each for each in curves(work_dir) if each[1] != 'epoch'] == [
        (5, 'coco/bbox_mAP', 0.1),
        (5, 'loss', 3.0),
        (10, 'coco/bbox_mAP', 0.2),
        (10, 'loss', 1.0),
    ]
