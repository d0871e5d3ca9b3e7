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
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from vitdense.engine.errors import Preempted

# PR_SET_PDEATHSIG of Linux's prctl
_SET_DEATH_SIGNAL = 1
STOPPING = (signal.SIGTERM, signal.SIGUSR1)


class Asked(Preempted):
    """A signal has come where there is nothing to save.

    Attributes:
        name: Of the signal.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


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

    def ignore(self) -> None:
        """Hear no more of them: the first was obeyed, and the process ends."""
        _set_all(signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)

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
    os.register_at_fork(
        after_in_child=lambda: when_parent_ends(signal.SIGKILL)
    )


def when_parent_ends(
    number: signal.Signals, parent: int | None = None
) -> None:
    """Have this process signalled when its parent is gone, on Linux.

    Args:
        number: The signal.
        parent: The parent's process, if it may be gone by now.
    """
    if sys.platform != 'linux':
        return
    ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, number)
    if parent is not None and os.getppid() != parent:
        os.kill(os.getpid(), number)


def _kill_workers() -> None:
    # PyTorch's handler takes the end of a worker for an error
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for child in multiprocessing.active_children():
        child.kill()


def obey_signals() -> None:
    """End at once when told to, also where signals were only noted."""
    _set_all(signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)


@contextmanager
def raised_signals() -> Iterator[None]:
    """Raise `Asked` where a signal comes while nobody notes them."""
    process = os.getpid()
    before: dict[signal.Signals, Any] = {
        each: signal.getsignal(each) for each in STOPPING
    }

    def obey(number: int, frame: FrameType | None) -> None:
        if os.getpid() == process:
            raise Asked(signal.Signals(number).name)
        # forked meanwhile, to load data
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    _set_all(obey)
    try:
        yield
    except Preempted:
        # asked again, it still ends with that
        before = dict.fromkeys(STOPPING, signal.SIG_IGN)
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _set_all(handler: Any) -> None:
    for each in STOPPING:
        signal.signal(each, handler)
