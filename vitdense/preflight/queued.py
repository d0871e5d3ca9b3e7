"""Which job of Slurm trains into a work folder."""

import os
import shutil
import subprocess
from pathlib import Path

# of a work folder: a folder for each job, with its script and its logs
FOLDER = 'slurm/%j'
LIST = ('squeue', '--noheader', '--format=%A', f'--user={os.getuid()}')


def queued_job(work_dir: str | Path) -> str:
    """The job that was queued for a work folder and has not ended.

    Returns:
        Its number, as Slurm has it; nothing if there is none.

    Raises:
        ValueError: If jobs were queued for it and Slurm does not say whether
            one of them still is.
    """
    folder = Path(work_dir, FOLDER)
    jobs = {
        each.name for each in folder.parent.glob('*') if each.name.isdigit()
    }
    if not jobs:
        return ''
    numbers = ', '.join(sorted(jobs, key=int))
    unknown = (
        f'whether job {numbers} still is to train into {str(work_dir)!r} '
        'cannot be known: {}; if none is, remove '
        f'{str(folder.parent)!r}'
    )
    if shutil.which(LIST[0]) is None:
        raise ValueError(unknown.format(f'{LIST[0]} not found'))
    told = subprocess.run(  # noqa: S603, Slurm's own
        LIST, capture_output=True, text=True, check=False
    )
    if told.returncode:
        why = ' '.join(told.stderr.split()) or f'exit code {told.returncode}'
        raise ValueError(unknown.format(f'{LIST[0]} says {why}'))
    return max(jobs & set(told.stdout.split()), key=int, default='')
