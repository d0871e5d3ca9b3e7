"""Queues a training as a job of Slurm, by way of submitit."""

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmengine.config import Config

from vitdense.engine.processes import find_launcher
from vitdense.preflight.config import type_name
from vitdense.preflight.options import TrainOptions
from vitdense.preflight.prepare import prepare_training
from vitdense.preflight.queued import FOLDER, queued_job
from vitdense.preflight.resources import Resources
from vitdense.preflight.resumable import HOOK, PREEMPTION

if TYPE_CHECKING:
    import submitit


def submit(
    options: TrainOptions, asked: Sequence[str], arguments: Sequence[str]
) -> str:
    """Check a training as if it were to begin here, and queue it.

    Args:
        options: What is asked of the training.
        asked: What is asked of Slurm, as ``Resources.read`` takes it.
        arguments: The command line, the tool's path first.

    Returns:
        Which job it is, and where its log will be, for people.

    Raises:
        ValueError, TypeError, LookupError, OSError, RuntimeError: If anything
            cannot be used, before anything is queued.
    """
    resources = Resources.read(asked)
    _check_options(options)
    AutoExecutor, Refused = _slurm()
    # as the job will, but for what only a job can do
    here = replace(options, resume='auto', requeue=False)
    cfg = prepare_training(here).cfg
    _check_can_go_on(cfg, options)
    if job := queued_job(cfg.work_dir):
        raise ValueError(
            f'--submit: job {job} is to train into {cfg.work_dir!r} already; '
            f'choose another --work-dir, or end it: scancel {job}'
        )

    workers = cfg.train_dataloader.get('num_workers', 0)
    executor = AutoExecutor(Path(cfg.work_dir) / FOLDER, cluster='slurm')
    executor.update_parameters(
        **resources.parameters(
            Path(options.config).stem, resources.cpus or workers + 1
        )
    )
    try:
        # submitit prints what sbatch says
        with redirect_stderr(StringIO()):
            queued = queue(executor, job_command(arguments))
    except Refused as error:
        text = f'--submit: sbatch has not queued it: {error}'
        raise RuntimeError(text) from error
    return (
        f'  job        {queued.job_id}, on {resources.nodes} x '
        f'{resources.gpus} GPUs: {resources.processes} processes\n'
        f'  log        {queued.paths.stdout}'
    )


def job_command(arguments: Sequence[str]) -> list[str]:
    """What each process of the job runs.

    Args:
        arguments: A command line with ``--submit``, the tool's path first.
    """
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument('--submit', nargs='+')
    tool, *given = arguments
    _, rest = parser.parse_known_args(given)
    return [
        *(sys.executable, '-u', str(Path(tool).resolve()), *rest),
        *('--resume', '--requeue', '--launcher', 'slurm'),
    ]


def queue(
    executor: 'submitit.AutoExecutor', command: Sequence[str]
) -> 'submitit.Job[Any]':
    """Have a command run by an executor whose parameters are set.

    submitit's process becomes the command's. So signals, exit code and
    requeueing are the training's own: it saves first, at a step that all
    processes agree on, and as often as its time ends. submitit's requeueing
    would end the first process at any moment, three times at the most.
    """
    return executor.submit(os.execv, command[0], list(command))


def _check_options(options: TrainOptions) -> None:
    """Refuse options that a job which is queued again cannot have."""
    launcher = options.launcher
    if launcher == 'none':
        # torchrun's processes would queue a job each
        launcher = find_launcher(launcher)
    if launcher != 'none':
        raise ValueError(
            f'--submit: the job has --launcher slurm, not {launcher}; leave '
            '--launcher out, and start the tool alone'
        )
    if options.resume not in (None, 'auto'):
        raise ValueError(
            f'--submit: a job that is queued again goes on from its work '
            f'folder, not from --resume {options.resume}; choose --resume '
            'alone, with the --work-dir of that checkpoint'
        )


def _slurm() -> tuple[
    type['submitit.AutoExecutor'], tuple[type[Exception], ...]
]:
    """What queues jobs, and its errors.

    Raises:
        ValueError: If there is no submitit, or no Slurm.
    """
    try:
        from submitit import AutoExecutor
        from submitit.core.utils import FailedJobError, FailedSubmissionError
    except ModuleNotFoundError as error:
        raise ValueError(
            f'--submit: {error.name} is not installed; vitdense has it as the '
            'extra slurm: pip install -e .[slurm], in its folder'
        ) from None
    missing = [p for p in ('sbatch', 'srun') if shutil.which(p) is None]
    if missing:
        raise ValueError(
            f'--submit: {" and ".join(missing)} not found; jobs are queued '
            'where Slurm is'
        )
    return AutoExecutor, (FailedJobError, FailedSubmissionError)


def _check_can_go_on(cfg: Config, options: TrainOptions) -> None:
    """See that the job can be queued again, and begins where it is meant to.

    Raises:
        ValueError: If it does not save on a signal, or would go on with a
            training where none was asked for.
    """
    hooks = cfg.get('custom_hooks') or []
    if PREEMPTION not in [type_name(hook['type']) for hook in hooks]:
        kind = (cfg.default_hooks.get('checkpoint') or {}).get('type')
        raise ValueError(
            f'--submit: default_hooks.checkpoint is {kind!r}, which does not '
            f'save on a signal; choose {HOOK!r}'
        )
    if options.resume is None and cfg.get('resume'):
        raise ValueError(
            f'--submit: the job would go on from {cfg.load_from!r}; add '
            '--resume, or choose another --work-dir'
        )
