"""``tools/train.py --submit``: what is refused, queued, and then runs."""

import os
import shlex
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import submitit
import torch
from processes import ROOT, children_of, environment, free_port
from slurm_programs import FIRST_JOB, slurm
from small_runs import SEGMENTER, root, small_shapes, where

from vitdense.preflight.queued import queued_job
from vitdense.preflight.resources import Resources
from vitdense.preflight.submit import job_command, queue

__all__ = ['root', 'slurm', 'small_shapes']

SETTINGS = {
    'train_cfg.max_iters': 12,
    'train_cfg.val_interval': 12,
    'train_dataloader.batch_size': 1,
    'train_dataloader.dataset.indices': 4,
    'val_dataloader.dataset.indices': 2,
    'default_hooks.logger.interval': 1,
}


def arguments(data: Path, work_dir: Path, *more: str) -> list[str]:
    """A command line of the tool."""
    settings = where(data, SEGMENTER) | SETTINGS
    return [
        *(str(SEGMENTER), '--work-dir', str(work_dir), '--cfg-options'),
        *(f'{key}={value}' for key, value in settings.items()),
        *more,
    ]


@pytest.mark.parametrize(
    ('asked', 'said'),
    [
        ('gpus=8 hours=24 queue=a', "'queue=a' is not KEY=VALUE; choose keys"),
        ('gpus=8 hours=24 mine.py', "'mine.py' is not KEY=VALUE; choose keys"),
        ('gpus=0 hours=24', 'gpus=0: choose a positive integer'),
        ('gpus=8 hours=24 nodes=two', 'nodes=two: choose a positive integer'),
        ('gpus=8 hours=24h', 'hours=24h: choose a number from 0.1 on'),
        ('gpus=8 hours=nan', 'hours=nan: choose a number from 0.1 on'),
        ('gpus=8 hours=inf', 'hours=inf: choose a number from 0.1 on'),
        ('gpus=8 hours=24 gpus=4', "'gpus=4': gpus is given twice"),
        ('gpus=8 hours=24 partition=', 'partition= names none'),
        ('nodes=2 hours=24', '--submit: gpus must be given'),
        ('partition=a', '--submit: gpus and hours must be given'),
    ],
)
def test_what_no_job_can_ask_for(asked: str, said: str) -> None:
    with pytest.raises(ValueError, match=r'^--submit') as refused:
        Resources.read(asked.split())
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ('more', 'said'),
    [
        ('gpus=two hours=1', 'gpus=two'),
        ('gpus=2 hours=1 --launcher slurm', 'leave --launcher out'),
        ('gpus=2 hours=1 --resume old.pth', 'not from --resume old.pth'),
        (
            'gpus=2 hours=1 --cfg-options train_cfg.max_iters=0',
            'train_cfg.max_iters=0 is not a positive integer',
        ),
        (
            'gpus=2 hours=1 --cfg-options default_hooks.checkpoint=None',
            'default_hooks.checkpoint is None, which does not save',
        ),
    ],
)
def test_nothing_bad_is_queued(
    tool: Callable,
    small_shapes: Path,
    tmp_path: Path,
    slurm: Path,
    more: str,
    said: str,
) -> None:
    work_dir = tmp_path / 'work'
    outcome = tool(
        'train.py',
        *arguments(small_shapes, work_dir, '--submit', *more.split()),
    )
    assert (outcome.code, outcome.out) == (2, '')
    assert outcome.err.startswith('error: ')
    assert said in outcome.err
    assert len(outcome.err.splitlines()) == 1
    assert not work_dir.exists()
    assert not (slurm / 'script').exists()


def test_torchrun_does_not_queue_a_job_for_each_process(
    tool: Callable, slurm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # which is found below, and would be kept for tests to come
    monkeypatch.setattr('vitdense.engine.processes._This.launcher', None)
    for name in ('RANK', 'LOCAL_RANK', 'TORCHELASTIC_RUN_ID'):
        monkeypatch.setenv(name, '0')
    monkeypatch.setenv('WORLD_SIZE', '2')
    outcome = tool('train.py', SEGMENTER, '--submit', 'gpus=2', 'hours=1')
    assert outcome.code == 2
    assert 'not pytorch; leave --launcher out, and start' in outcome.err
    assert not (slurm / 'script').exists()


@pytest.mark.parametrize(
    ('missing', 'said'),
    [
        ('submitit', 'submitit is not installed; vitdense has it as the'),
        ('slurm', '--submit: sbatch and srun not found'),
    ],
)
def test_what_submitting_needs(
    tool: Callable,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    missing: str,
    said: str,
) -> None:
    if missing == 'submitit':
        monkeypatch.setitem(sys.modules, 'submitit', None)
    monkeypatch.setenv('PATH', str(tmp_path))
    outcome = tool('train.py', SEGMENTER, '--submit', 'gpus=1', 'hours=1')
    assert (outcome.code, outcome.out) == (2, '')
    assert said in outcome.err
    assert len(outcome.err.splitlines()) == 1
    setup = (ROOT / 'setup.cfg').read_text()
    assert '\nslurm = file: requirements/slurm.txt\n' in setup


def test_the_script_that_is_queued(
    tool: Callable, small_shapes: Path, tmp_path: Path, slurm: Path
) -> None:
    work_dir = tmp_path / 'my work'
    given = arguments(small_shapes, work_dir, '--save-every', '10m')
    outcome = tool(
        'train.py',
        *given,
        *('--submit', 'partition=a100', 'gpus=8', 'nodes=2', 'hours=1.5'),
        *('memory_gb=400', 'account=me', 'constraint=a&b', '--requeue'),
    )
    assert (outcome.code, outcome.err) == (0, '')
    folder = work_dir / 'slurm'
    assert outcome.out.splitlines() == [
        '  job        4711, on 2 x 8 GPUs: 16 processes',
        f'  log        {folder}/4711/4711_0_log.out',
    ]
    lines = (slurm / 'script').read_text().splitlines()
    begin = '#SBATCH --'
    flags = [e.removeprefix(begin) for e in lines if e.startswith(begin)]
    expected = {
        *(f'job-name={SEGMENTER.stem}', 'partition=a100'),
        *('nodes=2', 'gpus-per-node=8', 'ntasks-per-node=8'),
        # no workers load data in this process
        *('cpus-per-task=1', 'mem=400GB', 'time=90', 'account=me'),
        *("constraint='a&b'", 'signal=USR1@120', 'requeue'),
        *('open-mode=append', f"output='{folder}/%j/%j_0_log.out'"),
    }
    assert expected <= set(flags)
    names = [flag.partition('=')[0] for flag in flags]
    assert len(names) == len(set(names))
    assert 'qos' not in names
    (run,) = (line for line in lines if line.startswith('srun '))
    assert {'--cpus-per-task=1', '--kill-on-bad-exit=1'} < set(
        shlex.split(run)
    )
    (kept,) = folder.glob('4711/*.pkl')
    task = submitit.core.utils.DelayedSubmission.load(kept)
    command = [
        *(sys.executable, '-u', str(ROOT / 'tools' / 'train.py')),
        *(*given, '--requeue', '--resume', '--requeue'),
        *('--launcher', 'slurm'),
    ]
    assert task.function is os.execv
    assert task.args == (sys.executable, command)

    # the same once more would be a second job in the same folder
    outcome = tool('train.py', *given, '--submit', 'gpus=8', 'hours=1')
    assert (outcome.code, outcome.out) == (2, '')
    assert outcome.err == (
        f'error: --submit: job {FIRST_JOB} is to train into '
        f"'{work_dir}' already; choose another --work-dir, or end it: "
        f'scancel {FIRST_JOB}\n'
    )
    assert (slurm / 'queue').read_text() == f'{FIRST_JOB}\n'


def test_which_job_is_to_train_into_a_folder(
    tmp_path: Path, slurm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work_dir = tmp_path / 'work'
    assert queued_job(work_dir) == ''
    for name in ('98', '123', '4'):
        (work_dir / 'slurm' / name).mkdir(parents=True)
    # of a user who has other jobs too
    (slurm / 'queue').write_text('1\n98\n1234\n')
    assert queued_job(work_dir) == '98'
    (slurm / 'queue').write_text('1\n')
    assert queued_job(work_dir) == ''
    monkeypatch.setenv('SAYS', 'slurm_load_jobs error: Unable to contact')
    begin = f'^whether job 4, 98, 123 still is to train into .{work_dir}. '
    end = f'; if none is, remove .{work_dir}/slurm.$'
    says = 'squeue says slurm_load_jobs error: Unable to contact'
    with pytest.raises(
        ValueError, match=f'{begin}cannot be known: {says}{end}'
    ):
        queued_job(work_dir)
    monkeypatch.setenv('PATH', str(tmp_path))
    with pytest.raises(ValueError, match='known: squeue not found; if none'):
        queued_job(work_dir)


def test_what_sbatch_refuses(
    tool: Callable,
    small_shapes: Path,
    tmp_path: Path,
    slurm: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv('SAYS', 'sbatch: error: invalid partition specified')
    given = arguments(small_shapes, tmp_path / 'work')
    outcome = tool('train.py', *given, '--submit', 'gpus=1', 'hours=1')
    assert (outcome.code, outcome.out) == (2, '')
    assert outcome.err == (
        'error: --submit: sbatch has not queued it: sbatch: error: invalid '
        'partition specified\n'
    )


def wait_for(text: str, log: Path, job: Any) -> None:
    """Until a running job's log has a text."""
    while not (log.is_file() and text in log.read_text()):
        assert not job.done(), log.read_text()
        time.sleep(0.1)


@pytest.mark.slow
def test_a_job_runs_and_is_queued_again(
    tool: Callable,
    root: Path,
    tmp_path: Path,
    slurm: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two processes on this machine, by submitit's local executor."""
    work_dir = tmp_path / 'work'
    given = arguments(root, work_dir)
    asked = ['--submit', 'gpus=2', 'hours=1']
    for key, value in environment().items():
        monkeypatch.setenv(key, value)
    monkeypatch.setenv('MASTER_PORT', str(free_port()))
    executor = submitit.AutoExecutor(
        work_dir / 'slurm/%j',
        cluster='local',
        local_python=shlex.quote(str(slurm / 'srun')),
    )
    parameters = Resources.read(asked[1:]).parameters('tiny', 1)
    executor.update_parameters(**parameters)
    train = str(ROOT / 'tools' / 'train.py')
    command = job_command([train, *given, *asked])

    job = queue(executor, command)
    wait_for('Iter(train) [ 3/12]', job.paths.stdout, job)
    # all processes, as Slurm does; not what has started them
    processes = children_of(int(job.job_id))
    assert len(processes) == 2
    for process in processes:
        os.kill(process, signal.SIGUSR1)
    while not job.done():
        time.sleep(0.1)
    said = job.paths.stdout.read_text()
    assert 'asked to stop by SIGUSR1, saved at iteration' in said
    asks = (slurm / 'scontrol.log').read_text().splitlines()
    assert asks.count(f'requeue {FIRST_JOB}') == 1
    assert not job.paths.result_pickle.exists()

    # with a checkpoint there, a new training is not begun by mistake
    outcome = tool('train.py', *given, *asked)
    assert outcome.code == 2
    assert 'the job would go on from' in outcome.err

    job = queue(executor, command)
    while not job.done():
        time.sleep(0.1)
    said = job.paths.stdout.read_text()
    assert ', going on' in said
    assert 'Iter(train) [ 3/12]' not in said
    assert f'work folder: {work_dir}' in said, job.paths.stderr.read_text()
    last = work_dir / (work_dir / 'last_checkpoint').read_text()
    meta = torch.load(last, weights_only=False)['meta']
    assert meta['iter'] == 12
