"""torchrun with one last word: ``python -m vitdense.engine.launch``.

Takes the arguments of ``torchrun``. Where a process fails, it tells which one
and why in a line, and where the tool has told it already, it ends with the
tool's own exit code.
"""

import functools
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from typing import Any

from torch.distributed import run
from torch.distributed.elastic.agent.server.local_elastic_agent import (
    LocalElasticAgent,
)
from torch.distributed.elastic.multiprocessing import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

from vitdense.engine.errors import EXIT_BAD_INPUT, EXIT_PREEMPTED
from vitdense.engine.processes import LAUNCHED_S, LAUNCHER_PID

# The tools tell what these mean themselves.
TOLD = (EXIT_BAD_INPUT, EXIT_PREEMPTED)
# What asks a training to make room; torchrun hands it on to the processes,
# which have 30 seconds then.
STOPPING = ('SIGTERM', 'SIGUSR1')


def main(args: Sequence[str] | None = None) -> int:
    """Run a program in several processes; gives the exit code.

    Args:
        args: Those of torchrun; None takes the command line's.
    """
    logging.getLogger('torch.distributed.elastic').setLevel(logging.CRITICAL)
    options = run.parse_args(list(args) if args is not None else None)
    if hasattr(options, 'signals_to_handle'):
        options.signals_to_handle += ',SIGUSR1'
    else:  # PyTorch before 2.9: the signal would end it, not the processes
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    os.environ[LAUNCHER_PID] = str(os.getpid())
    os.environ[LAUNCHED_S] = str(time.time())
    _restart_no_ends()
    try:
        run.run(options)
    except SignalException as error:
        number = signal.Signals(error.sigval)
        return EXIT_PREEMPTED if number.name in STOPPING else 128 + number
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode in TOLD:
            return int(failure.exitcode)
        print(
            f'error: process {rank} (pid {failure.pid}) {_end(failure)}; '
            'all have ended',
            file=sys.stderr,
        )
        return 1
    return 0


def _restart_no_ends() -> None:
    """Have torchrun start nothing again that has ended as it was meant to:
    a mistake stays one, and who was asked to make room makes it."""
    monitor = LocalElasticAgent._monitor_workers

    @functools.wraps(monitor)
    def watch(agent: Any, group: Any) -> Any:
        result = monitor(agent, group)
        if any(each.exitcode in TOLD for each in result.failures.values()):
            agent._remaining_restarts = 0
        return result

    LocalElasticAgent._monitor_workers = watch  # type: ignore[method-assign]


def _end(failure: Any) -> str:
    """How a process has ended, with its last error if it left one."""
    if failure.exitcode < 0:
        return f'was killed by {failure.signal_name()}'
    left = failure.error_file_data.get('message', {})
    said = left.get('message', '') if isinstance(left, dict) else left
    return f'ended with exit code {failure.exitcode}' + (
        said and f': {" ".join(said.split())}'
    )


if __name__ == '__main__':
    raise SystemExit(main())
