"""A training that is killed and resumed ends as if it had not been."""

import json
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from processes import children_of
from resumed_runs import Training, differing, kill_at_random, learned
from small_runs import DETECTOR, SEGMENTER, root

__all__ = ['root']

FEW: dict[str, Any] = {
    'train_dataloader__dataset__indices': 8,
    'val_dataloader__dataset__indices': 2,
    'default_hooks__checkpoint__save_every': '0.3s',
}
EPOCHS: dict[str, Any] = {
    **FEW,
    'train_cfg__max_epochs': 2,
    'train_cfg__val_interval': 1,
    'default_hooks__checkpoint__save_best': 'auto',
}
ITERATIONS: dict[str, Any] = {
    **FEW,
    'train_cfg__max_iters': 20,
    'train_cfg__val_interval': 8,
    'default_hooks__checkpoint__interval': 6,
}
# `make soak` kills more often
KILLS = int(os.environ.get('SOAK_KILLS', '3'))
TWICE = max(1, KILLS // 4)  # kills of two processes
SEED = int(os.environ.get('SOAK_SEED', '20261125'))


def longer(settings: dict[str, Any]) -> dict[str, Any]:
    """A training that is there for as many kills."""
    times = -(-KILLS // 3)
    lengths = ('train_cfg__max_epochs', 'train_cfg__max_iters')
    return {k: v * times if k in lengths else v for k, v in settings.items()}


def averaged(folder: Path) -> Path:
    """A config: the detector, with averaged weights."""
    config = folder / 'averaged.py'
    config.write_text(f"""
_base_ = '{DETECTOR}'
custom_hooks = [dict(type='EMAHook', momentum=0.1)]
""")
    return config


@pytest.mark.parametrize(
    'workers',
    [
        pytest.param((0, 2), marks=pytest.mark.slow),
        pytest.param((0,), marks=pytest.mark.soak),
        pytest.param((2,), marks=pytest.mark.soak),
    ],
)
@pytest.mark.parametrize('task', ['detector', 'segmenter'])
def test_killed_at_random(
    root: Path, tmp_path: Path, task: str, workers: tuple[int, ...]
) -> None:
    """By epochs with averaged weights and workers that stay; by iterations.

    Between two kills another number of workers may load the pictures.
    """
    if task == 'detector':
        config, settings = averaged(tmp_path), longer(EPOCHS)
    else:
        config, settings = SEGMENTER, longer(ITERATIONS)

    def training(name: str, count: int) -> Training:
        stay = count > 0 and task == 'detector'
        return Training(
            *(config, root, tmp_path / name),
            train_dataloader__num_workers=count,
            train_dataloader__persistent_workers=stay,
            **settings,
        )

    whole = training('whole', workers[0])
    whole.work_dir.mkdir()
    left = whole.work_dir / f'.{"0" * 16}.part'
    left.touch()
    output = whole.finish()
    assert f'no checkpoint in {str(whole.work_dir)!r}; training' in output
    assert 'removed 1 unfinished files' in output
    assert not left.exists()
    expected = learned(whole.last())
    assert ('ema_state_dict' in expected) == (task == 'detector')
    killed = [training('killed', count) for count in workers]
    draw = random.Random(SEED + workers[0])
    later = kill_at_random(killed, KILLS, draw)
    print(
        f'{KILLS} kills of {task}, {workers} workers, seed {SEED}; {later} of '
        'them after a step'
    )
    assert later
    assert differing(expected, learned(killed[0].last())) == []


@pytest.mark.parametrize(
    ('config', 'settings'),
    [
        pytest.param(DETECTOR, EPOCHS, marks=pytest.mark.slow),
        # where it runs less often, test_processes.py has its like
        pytest.param(SEGMENTER, ITERATIONS, marks=pytest.mark.soak),
    ],
)
def test_two_processes_killed_at_random(
    root: Path, tmp_path: Path, config: Path, settings: dict
) -> None:
    """One of the two, or torchrun itself: all end, and all goes on."""
    draw = random.Random(SEED)
    whole, killed = (
        Training(config, root, tmp_path / name, processes=2, **settings)
        for name in ('whole', 'killed')
    )
    whole.finish()
    for number in range(TWICE):
        process = killed.start()
        for _ in range(draw.choice(range(1, 4))):
            list(killed.lines_until(process, '(train)'))
        time.sleep(draw.uniform(0.0, 0.5))
        assert process.poll() is None
        chosen = [*reversed(children_of(process.pid)), process.pid]
        os.kill(chosen[number % 3], signal.SIGKILL)
        process.communicate(timeout=180)
        assert process.returncode != 0
    print(f'{TWICE} kills of two processes, {config.stem}, seed {SEED}')
    killed.finish()
    assert differing(learned(whole.last()), learned(killed.last())) == []
    if config == DETECTOR:
        assert_changes_are_named(root, killed, settings)


def assert_changes_are_named(
    root: Path, before: Training, settings: dict[str, Any]
) -> None:
    """One process goes on, with other batches and other annotations."""
    path = root / 'coco/annotations/instances_train2017.json'
    content = json.loads(path.read_text())
    content['annotations'][0]['bbox'][2] += 1
    other = before.work_dir.with_name('other.json')
    other.write_text(json.dumps(content))
    changed = {
        'train_cfg__max_epochs': settings['train_cfg__max_epochs'] + 1,
        'train_dataloader__batch_size': 4,
        'train_dataloader__dataset__ann_file': other,
        'train_cfg__val_interval': 1000,
    }
    training = Training(
        DETECTOR, root, before.work_dir, **{**settings, **changed}
    )
    output = training.finish()
    named, _, _ = output.partition('Epoch(train)')
    for each in (
        'processes: 2 -> 1',
        'images a process: 1 -> 4',
        'annotations: ',
        'train_dataloader.dataset.ann_file: ',
        'train_dataloader.batch_size: 1 -> 4',
    ):
        assert f'changed since the checkpoint: {each}' in named, named
    assert 'resuming will not be exact: ' in named


@pytest.mark.slow
def test_killed_after_an_evaluation(root: Path, tmp_path: Path) -> None:
    """The best score is saved once more with the training's random state,
    not with what the evaluation has made of it.

    And a broken checkpoint is passed over.
    """
    settings = {**EPOCHS, 'default_hooks__checkpoint__save_every': '1h'}
    settings['default_hooks__checkpoint__max_keep_ckpts'] = 2
    whole, killed = (
        Training(averaged(tmp_path), root, tmp_path / name, **settings)
        for name in ('whole', 'killed')
    )
    whole.finish()
    expected = learned(whole.last())
    process = killed.start()
    list(killed.lines_until(process, 'Epoch(train) [2][2/8]'))
    process.kill()
    process.communicate()
    assert killed.last()['resume']['loop']['validated']
    killed.finish()
    assert differing(expected, learned(killed.last())) == []

    last = killed.work_dir / 'epoch_2.pth'
    last.write_bytes(last.read_bytes()[:100_000])
    output = killed.finish()
    assert f'left out: {last} is damaged or truncated' in output
    assert differing(expected, learned(killed.last())) == []
