"""tools/benchmark.py sweep: real trainings, of which one is killed."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import ANY

import pytest
from designs import DESIGNS
from processes import ROOT, environment
from slurm_programs import FIRST_JOB, slurm
from small_runs import SEGMENTER, small_shapes, where

__all__ = ['slurm', 'small_shapes']

# steps of a training, and how many lie between its checkpoints
STEPS, SAVED = 20, 4
SETTINGS = {
    'train_cfg.max_iters': STEPS,
    'train_cfg.val_interval': STEPS,
    'default_hooks.logger.interval': 1,
    'default_hooks.checkpoint.interval': SAVED,
}


def arguments(data: Path, work_dir: Path, *more: object) -> list[str]:
    """A command line that trains a backbone of a few channels."""
    settings = where(data, SEGMENTER) | SETTINGS
    arch = json.dumps({'arch': DESIGNS['like-pvt-v2-b0'].arch})
    return [
        *('sweep', '--recipe', 'semantic-fpn_600_shapes'),
        *(
            '--work-dir',
            str(work_dir),
            '--backbones',
            f'tiny=vitdense.PVT{arch}',
        ),
        *('--cfg-options', *(f'{k}={v}' for k, v in settings.items())),
        *map(str, more),
    ]


def steps_of(work_dir: Path) -> list[list[int]]:
    """The steps that each start of a training has logged."""
    step = re.compile(r'Iter\(train\) \[ *(\d+)/')
    return [
        [int(each) for each in step.findall(log.read_text())]
        for log in sorted(work_dir.glob('*/*.log'))
    ]


def times(folder: Path) -> dict[Path, int]:
    """When each file of a folder was written, in nanoseconds."""
    files = (path for path in folder.rglob('*') if path.is_file())
    return {path: path.stat().st_mtime_ns for path in files}


@pytest.mark.slow
def test_a_killed_sweep_goes_on(small_shapes: Path, tmp_path: Path) -> None:
    """What was trained is left alone, what was begun is gone on with."""
    work_dir, file = tmp_path / 'sweep', tmp_path / 'all.json'
    first, second = (work_dir / f'tiny_seed{seed}' for seed in range(2))
    command = [
        *(sys.executable, str(ROOT / 'tools/benchmark.py')),
        *arguments(
            *(small_shapes, work_dir, '--seeds', 2, '--size', 64),
            *('--repeats', 1, '--resamples', 100, '--json', file),
        ),
    ]
    killed = subprocess.Popen(
        command,
        env=environment(),
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    ended_s = time.monotonic() + 240
    while not (second / 'last_checkpoint').exists():
        assert killed.poll() is None
        assert time.monotonic() < ended_s
        time.sleep(0.01)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    trained = times(first)
    (begun,) = steps_of(second)
    assert SAVED <= begun[-1] < STEPS

    ended = subprocess.run(
        command,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, '')
    assert f'[1/2] tiny, seed 0: trained already, in {first}' in ended.stdout
    assert trained.items() <= times(first).items()
    (steps,) = steps_of(first)
    assert steps == list(range(1, STEPS + 1))
    _, went_on = steps_of(second)
    assert went_on == list(range(went_on[0], STEPS + 1))
    assert SAVED < went_on[0] <= begun[-1] + 1
    content = json.loads(file.read_text())
    assert content['models'] == [ANY]
    assert len(content['models'][0]['runs']) == 2
    assert content['cost'][0]['name'] == 'tiny'


@pytest.mark.slow
def test_a_job_that_is_queued_is_not_queued_again(
    tool: Callable, small_shapes: Path, tmp_path: Path, slurm: Path
) -> None:
    work_dir = tmp_path / 'sweep'
    given = arguments(small_shapes, work_dir)
    submit = ('--submit', 'gpus=1', 'hours=1')
    title = '[1/1] tiny, seed 0'

    def queue() -> list[str]:
        return (slurm / 'queue').read_text().split()

    for said in (title, f'{title}: queued already, as job {FIRST_JOB}'):
        ended = tool('benchmark.py', *given, *submit)
        assert (ended.code, ended.err) == (0, '')
        assert ended.out.splitlines()[0] == said
        assert queue() == [str(FIRST_JOB)]
    # nor is that trained here which a job is to train
    ended = tool('benchmark.py', *given)
    assert (ended.code, ended.out) == (2, '')
    assert ended.err == (
        f'error: {title}: job {FIRST_JOB} trains it; the same command goes on '
        f'when it has ended, also by scancel {FIRST_JOB}\n'
    )
    # a job that has failed is
    (slurm / 'queue').write_text('')
    ended = tool('benchmark.py', *given, *submit)
    assert (ended.code, ended.err) == (0, '')
    assert queue() == [str(FIRST_JOB + 1)]
