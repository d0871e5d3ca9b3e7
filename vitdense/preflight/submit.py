"""Queues a training as a job of Slurm, by way of submitit."""

import argparse
import math
import os
import shutil
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass, fields, replace
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmengine.config import Config

from vitdense.engine.processes import find_launcher
from vitdense.preflight.config import type_name
from vitdense.preflight.options import TrainOptions
from vitdense.preflight.prepare import prepare_training
from vitdense.preflight.resumable import HOOK, PREEMPTION

if TYPE_CHECKING:
    import submitit

# 120 seconds before its time is over, as tools/slurm_train.sh has it too
SIGNAL = 'USR1@120'
LEAST_HOURS = 0.1
# of a work folder: a folder for each job, with its script and its logs
FOLDER = 'slurm/%j'


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What a job asks Slurm for.

    Attributes:
        gpus: GPUs of each machine; there is a process for each.
        hours: How long the job runs before it has to make room.
        nodes: How many machines.
        cpus: Cores of each process; None means one, and one for each worker
            that loads its training data.
        memory_gb: Memory of each machine; None is Slurm's default, as it is
            of all that follow.
        partition: Where the job is queued.
        account: Who pays.
        qos: With which quality of service.
        constraint: What the machines must have.
    """

    gpus: int
    hours: float
    nodes: int = 1
    cpus: int | None = None
    memory_gb: int | None = None
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None

    @classmethod
    def read(cls, texts: Sequence[str]) -> 'Resources':
        """Take them from texts such as ``'gpus=8'``.

        Raises:
            ValueError: If a text is none of these, or one that is needed is
                missing.
        """
        keys = [each.name for each in fields(cls)]
        given: dict[str, Any] = {}
        for text in texts:
            key, _, value = text.partition('=')
            if key not in keys:
                raise ValueError(
                    f'--submit {text!r} is not KEY=VALUE; choose keys from '
                    f'{keys}'
                )
            if key in given:
                raise ValueError(f'--submit {text!r}: {key} is given twice')
            given[key] = _value(key, value)
        missing = [key for key in ('gpus', 'hours') if key not in given]
        if missing:
            raise ValueError(
                f'--submit: {" and ".join(missing)} must be given, for '
                'example gpus=8 hours=24'
            )
        return cls(**given)

    @property
    def processes(self) -> int:
        """How many train together."""
        return self.nodes * self.gpus

    def parameters(self, name: str, cpus: int) -> dict[str, Any]:
        """The same in the words of ``submitit.AutoExecutor``.

        Args:
            name: The job's.
            cpus: Cores of each process.
        """
        return {
            'name': name,
            'nodes': self.nodes,
            'gpus_per_node': self.gpus,
            'tasks_per_node': self.gpus,
            'cpus_per_task': cpus,
            'mem_gb': self.memory_gb,
            'timeout_min': round(self.hours * 60),
            'slurm_partition': self.partition,
            'slurm_account': self.account,
            'slurm_qos': self.qos,
            'slurm_constraint': self.constraint,
            # without requeue there are clusters that refuse to run it again
            'slurm_additional_parameters': {'signal': SIGNAL, 'requeue': True},
            # since Slurm 22.05 srun takes the cores from nowhere else
            'slurm_srun_args': [
                f'--cpus-per-task={cpus}',
                '--kill-on-bad-exit=1',
            ],
        }


def _value(key: str, text: str) -> Any:
    """The value of a key.

    Raises:
        ValueError: If it cannot be one.
    """
    if key == 'hours':
        try:
            hours = float(text)
        except ValueError:
            hours = math.nan
        if not LEAST_HOURS <= hours < math.inf:
            raise ValueError(
                f'--submit hours={text}: choose a number from {LEAST_HOURS} on'
            )
        return hours
    if key in ('gpus', 'nodes', 'cpus', 'memory_gb'):
        if not (text.isdecimal() and int(text) > 0):
            raise ValueError(
                f'--submit {key}={text}: choose a positive integer'
            )
        return int(text)
    if not text:
        raise ValueError(f'--submit {key}= names none')
    return text


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
            job = queue(executor, job_command(arguments))
    except Refused as error:
        text = f'--submit: sbatch has not queued it: {error}'
        raise RuntimeError(text) from error
    return (
        f'  job        {job.job_id}, on {resources.nodes} x {resources.gpus} '
        f'GPUs: {resources.processes} processes\n'
        f'  log        {job.paths.stdout}'
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
