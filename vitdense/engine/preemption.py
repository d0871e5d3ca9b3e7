"""Signals by which schedulers ask a training to make room.

SIGTERM (a preemption, a limit of time) and SIGUSR1 (Slurm's ``--signal``) are
noted, and obeyed by the training at its next step. Schedulers signal every
process of a job: those that this one has started, which load data or compile,
must outlive the signal, or they would take the save with them.
"""

import atexit
import ctypes
import functools
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from types import FrameType
from typing import Any

import torch
from mmengine.dist import all_reduce, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from vitdense.engine.checkpoint_hook import SafeCheckpointHook
from vitdense.engine.errors import Preempted, TrainingStoppedError
from vitdense.engine.rank_state import agreed
from vitdense.registry import HOOKS

# PR_SET_PDEATHSIG of Linux's prctl
_SET_DEATH_SIGNAL = 1
STOPPING = (signal.SIGTERM, signal.SIGUSR1)


class StopSignals:
    """Notes signals from ``install`` to ``restore``."""

    def __init__(self) -> None:
        self._noted = ''
        self._handlers: dict[signal.Signals, Any] = {}

    def install(self) -> None:
        """Note signals from now on; only in the main thread.

        The thread blocks them too: what it starts inherits that. Whether a
        signal then reaches the handler by another thread or waits for this
        one, ``received`` finds it.
        """
        for each in STOPPING:
            self._handlers[each] = signal.signal(each, self._note)
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
        # multiprocessing would wait for workers that it tells to stop by the
        # very signal that they do not hear
        atexit.register(_kill_workers)
        _children_end_with_this_process()

    def restore(self) -> None:
        """Obey signals as before; those that came meanwhile are done with."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    @property
    def received(self) -> str:
        """The name of a signal that has come, or nothing."""
        waiting = signal.sigpending() & set(STOPPING)
        for number in waiting:
            self._noted = self._noted or signal.Signals(number).name
        return self._noted

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._noted = signal.Signals(number).name


@functools.cache
def _children_end_with_this_process() -> None:
    """See that what is forked is killed when this process is.

    PyTorch's workers look for their parent, but one whose results nobody
    takes any more waits for ever.
    """
    if sys.platform == 'linux':
        prctl = ctypes.CDLL(None).prctl
        os.register_at_fork(
            after_in_child=lambda: prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
        )


def _kill_workers() -> None:
    for child in multiprocessing.active_children():
        child.kill()


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
        self._signals.restore()
        name = self._signals.received or 'a signal to another process'
        last = self._checkpoint.last_ckpt or 'the checkpoint it resumed'
        runner.logger.warning(
            f'asked to stop by {name}, saved at iteration '
            f'{self._checkpoint.saved_at}: {last}'
        )
        if self.requeue and is_main_process():
            requeue()
        raise Preempted


def slurm_job(environ: Mapping[str, str]) -> str | None:
    """The Slurm job that this process is of, or None."""
    array = environ.get('SLURM_ARRAY_JOB_ID')
    if array is not None:
        return f'{array}_{environ["SLURM_ARRAY_TASK_ID"]}'
    return environ.get('SLURM_JOB_ID')


def requeue() -> None:
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
