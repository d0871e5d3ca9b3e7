"""A training that is asked to make room, at any moment: real processes.

Signals go to the whole group, as Slurm sends them; a run that goes on must end
like one that was never asked.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from resumed_runs import Training, differing, learned
from small_runs import DETECTOR, root

__all__ = ['root']

SETTINGS: dict[str, Any] = {
    'train_dataloader__dataset__indices': 8,
    'train_dataloader__num_workers': 2,
    'val_dataloader__dataset__indices': 30,
    'train_cfg__max_epochs': 2,
    'train_cfg__val_interval': 1,
    'default_hooks__checkpoint__save_every': '1h',
    'default_hooks__checkpoint__save_best': 'auto',
}
SCONTROL = """#!/bin/sh
echo "$@" >> "$(dirname "$0")/asked"
"""


@pytest.fixture(scope='module')
def whole(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """What a run has learned that was not interrupted."""
    folder = tmp_path_factory.mktemp('whole')
    training = Training(DETECTOR, root, folder / 'work', **SETTINGS)
    training.finish()
    return learned(training.last())


@pytest.fixture
def stopped(root: Path, tmp_path: Path) -> Training:
    return Training(DETECTOR, root, tmp_path / 'work', **SETTINGS)


def until(met: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait for something to be met while a process runs."""
    while not met():
        assert process.poll() is None, process.stdout
        time.sleep(0.02)


def listens(pid: int) -> bool:
    """Whether a process has a handler for SIGUSR1."""
    status = Path(f'/proc/{pid}/status').read_text()
    caught = int(status.partition('SigCgt:')[2].split()[0], 16)
    return bool(caught >> (signal.SIGUSR1 - 1) & 1)


def end(process: subprocess.Popen[str], timeout_s: float = 240) -> str:
    """What a process that makes room has printed."""
    output, _ = process.communicate(timeout=timeout_s)
    assert process.returncode == 75, output[-4000:]
    return output


@pytest.mark.slow
@pytest.mark.parametrize(
    ('signals', 'line', 'place'),
    [
        (['SIGUSR1'], 'Epoch(train) [2][2/8]', range(10, 16)),
        (['SIGTERM'], 'Epoch(val) [1][ 2/15]', [8]),
        (['SIGUSR1', 'SIGTERM'], 'Epoch(train) [1][3/8]', range(3, 8)),
    ],
    ids=['step', 'evaluation', 'two signals'],
)
def test_saves_and_goes_on(
    whole: dict[str, Any],
    stopped: Training,
    signals: list[str],
    line: str,
    place: range | list[int],
) -> None:
    process = stopped.start()
    list(stopped.lines_until(process, line))
    for each in signals:
        stopped.signal(process, signal.Signals[each])
        time.sleep(0.05)
    output = end(process)
    assert f'asked to stop by {signals[0]}, saved at iteration' in output
    assert stopped.last()['meta']['iter'] in place
    output = stopped.finish()
    assert ', going on' in output
    assert 'Epoch(train) [1][1/8]' not in output
    assert differing(whole, learned(stopped.last())) == []


@pytest.mark.slow
def test_within_a_save(
    whole: dict[str, Any], stopped: Training, root: Path, tmp_path: Path
) -> None:
    """It is finished, and is what the run goes on from."""
    config = tmp_path / 'config.py'
    config.write_text(f"""
_base_ = '{DETECTOR}'
custom_imports = dict(imports=['training_hooks'])
custom_hooks = [dict(type='SignalInSave')]
""")
    settings = {**SETTINGS, 'default_hooks__checkpoint__save_every': '0.3s'}
    signalled = Training(config, root, stopped.work_dir, **settings)
    output = end(signalled.start())
    assert 'asked to stop by SIGTERM, saved at iteration' in output
    assert [p for p in stopped.work_dir.iterdir() if '.part' in p.name] == []
    stopped.finish()
    assert differing(whole, learned(stopped.last())) == []


@pytest.mark.slow
def test_before_it_begins(
    stopped: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slurm is asked to run it again, once; nothing is written."""
    scontrol = tmp_path / 'bin' / 'scontrol'
    scontrol.parent.mkdir()
    scontrol.write_text(SCONTROL)
    scontrol.chmod(0o755)
    path = f'{scontrol.parent}{os.pathsep}{os.environ["PATH"]}'
    monkeypatch.setenv('PATH', path)
    monkeypatch.setenv('SLURM_JOB_ID', '4711')
    stopped.command[stopped.command.index('--resume')] = '--requeue'
    process = stopped.start()
    until(lambda: listens(process.pid), process)
    stopped.signal(process, signal.SIGUSR1)
    output = end(process)
    assert output == 'asked to stop by SIGUSR1 before the training began\n'
    assert not stopped.work_dir.exists()
    asked = scontrol.with_name('asked')
    assert asked.read_text() == 'requeue 4711\n'

    # begun, it is queued again with what it has saved, without --resume
    process = stopped.start()
    list(stopped.lines_until(process, 'Epoch(train) [1][2/8]'))
    stopped.signal(process, signal.SIGUSR1)
    end(process)
    assert asked.read_text() == 'requeue 4711\n' * 2
    monkeypatch.setenv('SLURM_RESTART_COUNT', '1')
    output = stopped.finish()
    assert 'queued again by Slurm: resuming' in output
    assert 'Epoch(train) [1][1/8]' not in output


def compiles(process: subprocess.Popen[str]) -> bool:
    """Whether a C++ compiler runs in the process's group."""
    for stat in Path('/proc').glob('[0-9]*/stat'):
        try:
            name, _, rest = stat.read_text().rpartition(')')
        except OSError:
            continue  # it has just ended
        if name.endswith('cc1plus') and int(rest.split()[2]) == process.pid:
            return True
    return False


@pytest.mark.soak
def test_while_it_compiles(root: Path, tmp_path: Path) -> None:
    """The compiler outlives the signal, and the first step is saved."""
    training = Training(DETECTOR, root, tmp_path / 'work', **SETTINGS)
    training.command.insert(training.command.index('--resume'), '--compile')
    process = training.start()
    until(lambda: compiles(process), process)
    training.signal(process, signal.SIGTERM)
    output = end(process, timeout_s=1800)
    assert 'asked to stop by SIGTERM, saved at iteration 1' in output
    assert training.last()['meta']['iter'] == 1
