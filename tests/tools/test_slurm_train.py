"""Two processes train as ``tools/slurm_train.sh`` has Slurm start them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from processes import ROOT, environment
from resumed_runs import Training
from small_runs import DETECTOR, root

__all__ = ['root']

# Two processes of what follows the options, each of which has its value within
# or in a word after it.
SRUN = f"""#!{sys.executable}
import os, subprocess, sys

arguments = sys.argv[1:]
while arguments[0].startswith('--'):
    if '=' not in arguments.pop(0):
        arguments.pop(0)
tasks = []
for rank in map(str, range(2)):
    told = {{
        'SLURM_JOB_ID': '4711',
        'SLURM_PROCID': rank,
        'SLURM_LOCALID': rank,
        'SLURM_NTASKS': '2',
        'SLURM_NODELIST': 'node[01]',
    }}
    tasks.append(subprocess.Popen(arguments, env=os.environ | told))
sys.exit(max(abs(each.wait()) for each in tasks))
"""
SCONTROL = """#!/bin/sh
[ "$*" = 'show hostnames node[01]' ] && echo localhost
"""


@pytest.fixture
def slurm(tmp_path: Path) -> dict[str, str]:
    """Variables with which the script finds commands of Slurm, outside of a
    job."""
    folder = tmp_path / 'bin'
    folder.mkdir()
    for name, text in {'srun': SRUN, 'scontrol': SCONTROL}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    kept = {
        name: value
        for name, value in environment().items()
        if not name.startswith(('SLURM_', 'MASTER_'))
    }
    path = f'{folder}{os.pathsep}{kept["PATH"]}'
    return kept | {'PATH': path, 'GPUS': '2', 'PYTHON': sys.executable}


@pytest.mark.slow
def test_processes_are_one_group(
    root: Path, tmp_path: Path, slurm: dict[str, str]
) -> None:
    """They share the pictures; the work folder's name has a blank."""
    training = Training(
        DETECTOR,
        root,
        tmp_path / 'a run',
        train_dataloader__dataset__indices=8,
        val_dataloader__dataset__indices=2,
        train_cfg__max_epochs=2,
        train_cfg__val_interval=2,
    )
    settings = training.command[training.command.index('--cfg-options') :]
    done = subprocess.run(
        [
            *(str(ROOT / 'tools' / 'slurm_train.sh'), 'gpu', 'name'),
            *(str(DETECTOR), str(training.work_dir), *settings),
        ],
        cwd=ROOT,
        env=slurm,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    # of 8 pictures each has 4, twice
    assert '8 steps, on 2 x cpu' in done.stdout
    assert training.last()['meta']['iter'] == 8
