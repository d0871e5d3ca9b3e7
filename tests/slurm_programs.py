"""Programs that stand in for Slurm's, in a folder that is looked into first.

``script`` is what was queued last, ``queue`` has the numbers of all jobs that
are queued or run: a line taken out of it is a job that has ended.
"""

import os
import sys
from pathlib import Path

import pytest

FIRST_JOB = 4711
SBATCH = """#!/bin/sh
echo "$SAYS" >&2
test -z "$SAYS" || exit 1
cp "$1" "{folder}/script"
job=$(({first} + $(wc -l < "{folder}/all jobs")))
echo $job >> "{folder}/all jobs"
echo $job >> "{folder}/queue"
echo Submitted batch job $job
"""
SQUEUE = """#!/bin/sh
echo "$SAYS" >&2
test -z "$SAYS" && cat "{folder}/queue"
"""
SCONTROL = """#!/bin/sh
echo "$@" >> "{folder}/scontrol.log"
test "$1" = show && echo localhost
true
"""
# What srun tells a process, from what submitit's local executor does.
SRUN = """#!/bin/sh
export SLURM_PROCID=$SUBMITIT_LOCAL_GLOBALID
export SLURM_LOCALID=$SUBMITIT_LOCAL_LOCALID
export SLURM_NTASKS=$SUBMITIT_LOCAL_NTASKS
export SLURM_NODELIST=localhost SLURM_JOB_ID={first} CUDA_VISIBLE_DEVICES=
exec {python} "$@"
"""


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder; what ``SAYS`` says in the environment is an error."""
    folder = tmp_path / 'slurm programs'
    folder.mkdir()
    for name in ('queue', 'all jobs'):
        (folder / name).touch()
    for name, text in {
        'sbatch': SBATCH,
        'squeue': SQUEUE,
        'scontrol': SCONTROL,
        'srun': SRUN,
    }.items():
        path = folder / name
        path.write_text(
            text.format(folder=folder, python=sys.executable, first=FIRST_JOB)
        )
        path.chmod(0o755)
    monkeypatch.setenv('PATH', f'{folder}:{os.environ["PATH"]}')
    monkeypatch.delenv('SAYS', raising=False)
    return folder
