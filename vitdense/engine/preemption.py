"""Makes room when asked to: saves and ends a training.

Every process of a job hears of it, or only one: they agree on the step.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.dist import all_reduce, barrier, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from vitdense.engine.checkpoint_hook import SafeCheckpointHook
from vitdense.engine.errors import Preempted, TrainingStoppedError
from vitdense.engine.processes import place
from vitdense.engine.rank_state import agreed
from vitdense.engine.signals import Asked, StopSignals, raised_signals
from vitdense.registry import HOOKS


@HOOKS.register_module()
class PreemptionHook(Hook):
    """Saves and ends a training that is asked to stop, with exit code 75.

    It saves after the next step, by the run's ``SafeCheckpointHook``. An
    evaluation is left at once: the training has saved before it, and begins
    it anew when it is resumed. All processes stop at the same place, whichever
    of them was signalled.

    Args:
        requeue: Whether to ask Slurm to run the job again.
    """

    # after the checkpoint hook, whose priority is the same, if it is
    # registered after it, as custom hooks are
    priority = 'LOWEST'

    def __init__(self, *, requeue: bool = False) -> None:
        self.requeue = requeue
        self._signals = StopSignals()
        self._training = False
        # loops that do not tell are not left in an evaluation
        self._rounds = 0

    def before_train(self, runner: Runner) -> None:
        """Listen to signals.

        Raises:
            TrainingStoppedError: If the run does not save by
                ``SafeCheckpointHook``.
        """
        hooks = [h for h in runner.hooks if isinstance(h, SafeCheckpointHook)]
        if not hooks:
            raise TrainingStoppedError(
                'PreemptionHook needs a checkpoint hook that saves at any '
                "step: default_hooks.checkpoint.type='vitdense.Safe"
                "CheckpointHook'"
            )
        self._checkpoint = hooks[0]
        self._training = True
        self._signals.install()

    def after_run(self, runner: Runner) -> None:
        """Leave signals to the process again."""
        if self._training:
            self._signals.restore()

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
    ) -> None:
        """Save and end if asked to."""
        if agreed(bool(self._signals.received)):
            self._checkpoint.save_between(runner, runner.iter + 1)
            self._make_room(runner)

    def before_validation(self, runner: Runner) -> None:
        """Find how many batches all processes evaluate."""
        rounds = torch.tensor(len(runner.val_dataloader))
        all_reduce(rounds, 'min')
        self._rounds = int(rounds)

    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
    ) -> None:
        """Leave an evaluation within training if asked to."""
        if not self._training or batch_idx >= self._rounds:
            return  # where not all processes are, they cannot agree
        if agreed(bool(self._signals.received)):
            self._make_room(runner)

    def _make_room(self, runner: Runner) -> None:
        """End the run, which has saved.

        Raises:
            Preempted: Always.
        """
        name = self._signals.received or 'a signal to another process'
        last = self._checkpoint.last_ckpt or 'the checkpoint it resumed'
        runner.logger.warning(
            f'asked to stop by {name}, saved at iteration '
            f'{self._checkpoint.saved_at}: {last}'
        )
        if self.requeue and is_main_process():
            ask_slurm_again()
        # launchers end all processes when one does: not the first one before
        # it has saved, and Slurm has heard of it
        barrier()
        self._signals.ignore()
        raise Preempted


@contextmanager
def asked_before_it_begins(*, requeue: bool) -> Iterator[None]:
    """Make room at once when asked to while there is nothing to save.

    Args:
        requeue: Whether to ask Slurm to run the job again.

    Raises:
        Preempted: If a signal comes before a `PreemptionHook` listens.
    """
    try:
        with raised_signals():
            yield
    except Asked as asked:
        if place()[0] == 0:
            print(
                f'asked to stop by {asked.name} before the training began',
                file=sys.stderr,
                flush=True,
            )
            if requeue:
                ask_slurm_again()
        raise


def slurm_job(environ: Mapping[str, str]) -> str | None:
    """The Slurm job that this process is of, or None."""
    array = environ.get('SLURM_ARRAY_JOB_ID')
    if array is not None:
        return f'{array}_{environ["SLURM_ARRAY_TASK_ID"]}'
    return environ.get('SLURM_JOB_ID')


def ask_slurm_again() -> None:
    """Ask Slurm to run this job again.

    Raises:
        TrainingStoppedError: If it does not.
    """
    done = subprocess.run(  # noqa: S603 - the job's number is Slurm's own
        ['scontrol', 'requeue', str(slurm_job(os.environ))],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise TrainingStoppedError(
            f'{" ".join(done.args)} failed: {done.stderr.strip()}'
        )
