"""A training that is asked to make room, at any moment: real processes.

Signals go to the whole group, as Slurm sends them; a run that goes on must end
like one that was never asked.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from resumed_runs import Training, differing, learned
from small_runs import DETECTOR, QUICKSTART, root

__all__ = ['root']

SETTINGS: dict[str, Any] = {
    'train_dataloader__dataset__indices': 8,
    'train_dataloader__num_workers': 2,
    'val_dataloader__dataset__indices': 20,
    'train_cfg__max_epochs': 3,
    'train_cfg__val_interval': 1,
    'default_hooks__checkpoint__save_every': '1h',
    'default_hooks__checkpoint__save_best': 'auto',
}
SCONTROL = """#!/bin/sh
echo "$@" >> "$(dirname "$0")/asked"
"""


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


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Notes what Slurm is asked; this is one of its jobs."""
    scontrol = tmp_path / 'bin' / 'scontrol'
    scontrol.parent.mkdir()
    scontrol.write_text(SCONTROL)
    scontrol.chmod(0o755)
    path = f'{scontrol.parent}{os.pathsep}{os.environ["PATH"]}'
    monkeypatch.setenv('PATH', path)
    monkeypatch.setenv('SLURM_JOB_ID', '4711')
    return scontrol.with_name('asked')


def signalled(training: Training, line: str, *signals: str) -> str:
    """Start it, signal it after a line, and see it end; gives its output."""
    process = training.start()
    before = ''.join(training.lines_until(process, line))
    for each in signals:
        training.signal(process, signal.Signals[each])
        time.sleep(0.05)
    output = end(process)
    assert f'asked to stop by {signals[0]}, saved at iteration' in output
    return before + output


@pytest.mark.slow
def test_at_any_moment(
    root: Path, tmp_path: Path, asked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One training, asked again and again, ends as one that never was."""
    whole = Training(DETECTOR, root, tmp_path / 'whole', **SETTINGS)
    whole.finish()
    training = Training(DETECTOR, root, tmp_path / 'work', **SETTINGS)
    queued = Training(DETECTOR, root, training.work_dir, **SETTINGS)
    queued.command[queued.command.index('--resume')] = '--requeue'

    # before it begins: Slurm is asked to run it again, once; nothing is
    # written
    process = queued.start()
    until(lambda: listens(process.pid), process)
    queued.signal(process, signal.SIGUSR1)
    output = end(process)
    assert output == 'asked to stop by SIGUSR1 before the training began\n'
    assert not queued.work_dir.exists()
    assert asked.read_text() == 'requeue 4711\n'

    # in a step
    signalled(queued, 'Epoch(train) [1][2/8]', 'SIGUSR1')
    assert training.last()['meta']['iter'] in range(2, 8)
    assert asked.read_text() == 'requeue 4711\n' * 2

    # queued again it goes on, without --resume; in an evaluation
    monkeypatch.setenv('SLURM_RESTART_COUNT', '1')
    output = signalled(queued, 'Epoch(val) [1][ 2/10]', 'SIGTERM')
    assert 'queued again by Slurm: resuming' in output
    assert ', going on' in output
    assert 'Epoch(train) [1][1/8]' not in output
    assert training.last()['meta']['iter'] == 8

    # within a save, which is finished
    config = tmp_path / 'config.py'
    config.write_text(f"""
_base_ = '{DETECTOR}'
custom_imports = dict(imports=['training_hooks'])
custom_hooks = [dict(type='SignalInSave')]
""")
    often = {**SETTINGS, 'default_hooks__checkpoint__save_every': '0.3s'}
    saving = Training(config, root, training.work_dir, **often)
    output = end(saving.start())
    assert 'asked to stop by SIGTERM, saved at iteration' in output
    assert [p for p in saving.work_dir.iterdir() if '.part' in p.name] == []
    assert training.last()['meta']['iter'] in range(9, 17)

    # two signals
    line = 'Epoch(train) [3][1/8]'
    signalled(training, line, 'SIGUSR1', 'SIGTERM')
    assert training.last()['meta']['iter'] in range(17, 24)

    training.finish()
    assert differing(learned(whole.last()), learned(training.last())) == []


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


@pytest.mark.slow
@pytest.mark.skipif(
    not (shutil.which('g++') or shutil.which('clang++')),
    reason='torch.compile needs a C++ compiler',
)
def test_while_it_compiles(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The compiler outlives the signal, and the first step is saved."""
    # what a run before has compiled is not compiled again
    monkeypatch.setenv('TORCHINDUCTOR_CACHE_DIR', str(tmp_path / 'cache'))
    training = Training(
        QUICKSTART / 'mask-rcnn_vit-mini_sfp_shapes.py',
        *(root, tmp_path / 'work'),
        # what takes the compiler the least
        model__backbone__arch__dim=16,
        model__backbone__arch__depth=1,
        model__backbone__arch__heads=1,
        model__backbone__out_indices='(0,)',
        model__neck__in_channels='[16]',
        **SETTINGS,
    )
    training.command.insert(training.command.index('--resume'), '--compile')
    process = training.start()
    until(lambda: compiles(process), process)
    training.signal(process, signal.SIGTERM)
    output = end(process)
    assert 'asked to stop by SIGTERM, saved at iteration 1' in output
    assert training.last()['meta']['iter'] == 1
