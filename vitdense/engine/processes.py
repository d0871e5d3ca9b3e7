"""Processes that train together: joined, and ended together.

torchrun, Slurm or MPI start them, and tell each one by its environment which
one it is.
"""

import datetime
import gc
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import torch
from mmengine.device import get_device
from mmengine.dist import init_dist, is_distributed
from torch import distributed
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.elastic.multiprocessing.errors import get_error_handler
from torch.distributed.rendezvous import rendezvous

from vitdense.engine.errors import TrainingStoppedError
from vitdense.engine.signals import obey_signals, when_parent_ends

# What PyTorch reads, and where each launcher tells it.
VARIABLES = MappingProxyType(
    {
        'pytorch': {
            'RANK': 'RANK',
            'WORLD_SIZE': 'WORLD_SIZE',
            'LOCAL_RANK': 'LOCAL_RANK',
        },
        'slurm': {
            'RANK': 'SLURM_PROCID',
            'WORLD_SIZE': 'SLURM_NTASKS',
            'LOCAL_RANK': 'SLURM_LOCALID',
        },
        'mpi': {
            'RANK': 'OMPI_COMM_WORLD_RANK',
            'WORLD_SIZE': 'OMPI_COMM_WORLD_SIZE',
            'LOCAL_RANK': 'OMPI_COMM_WORLD_LOCAL_RANK',
        },
    }
)
STARTED_BY = MappingProxyType(
    {'pytorch': 'torchrun', 'slurm': 'srun', 'mpi': 'mpirun'}
)
MASTER_PORT = 29500
# of Slurm's jobs, which may share their first machine
JOB_PORTS = range(20000, 29000)
RESTARTS = 'TORCHELASTIC_RESTART_COUNT'
# set by vitdense.engine.launch
LAUNCHER_PID = 'VITDENSE_LAUNCHER_PID'
LAUNCHED_S = 'VITDENSE_LAUNCHED_S'
# for the first process to come to an error that another one has found
AGREEING_S = 10
# in which a launcher that watches its processes has ended all of them
LAUNCHER_S = 20
ERROR = 'vitdense/error'
LOST = re.compile(
    r'(closed|reset) by peer|Broken pipe|remote process exited|ncclRemoteError'
)


class LostProcessError(TrainingStoppedError):
    """Another process of the run is gone."""


class _This:
    """What this process knows of itself among others."""

    launcher: str | None = None
    # by which the processes of its group tell each other
    store: Any = None


def find_launcher(asked: str) -> str:
    """What started this process: torchrun is known without being named.

    Raises:
        ValueError: If the launcher asked for has not started this process.
    """
    torchrun = asked == 'none' and distributed.is_torchelastic_launched()
    launcher = 'pytorch' if torchrun else asked
    for name in VARIABLES.get(launcher, {}).values():
        if name not in os.environ:
            raise ValueError(
                f'--launcher {launcher}: {name} is not set; '
                f'{STARTED_BY[launcher]} sets it where it starts a process, '
                'and what it has not started needs --launcher none'
            )
    _This.launcher = launcher
    return launcher


def place() -> tuple[int, int]:
    """Which process this is, and of how many, as its launcher tells."""
    names = VARIABLES.get(_This.launcher or find_launcher('none'))
    if names is None:
        return 0, 1
    rank, count = os.environ[names['RANK']], os.environ[names['WORLD_SIZE']]
    return int(rank), int(count)


def _local_rank() -> int:
    """Which process of its machine this is; before options are read, as
    whatever launcher tells."""
    known = _This.launcher
    for launcher, names in VARIABLES.items():
        if launcher == known or known is None:
            told = os.environ.get(names['LOCAL_RANK'])
            if told is not None:
                return int(told)
    return 0


def restarted() -> bool:
    """Whether torchrun has started this process in place of one that ended
    (``--max-restarts``)."""
    return int(os.environ.get(RESTARTS, '0')) > 0


def queued_again() -> bool:
    """Whether Slurm runs this job anew (``scontrol requeue``)."""
    return int(os.environ.get('SLURM_RESTART_COUNT', '0')) > 0


def launched_s() -> float:
    """When the launcher began, in seconds as files have it; 0 if it is
    not ours."""
    return float(os.environ.get(LAUNCHED_S, '0'))


def join(launcher: str, settings: Mapping[str, Any]) -> None:
    """Make the group of all processes; gloo's where there is no accelerator.

    Args:
        launcher: What started them: 'pytorch', 'slurm' or 'mpi'; with 'none'
            there is no group.
        settings: ``env_cfg.dist_cfg``: ``backend``, ``timeout`` in seconds,
            and ``port`` for Slurm.

    Raises:
        ValueError: If there are fewer accelerators than processes.
    """
    if launcher == 'none' or is_distributed():
        return
    if launcher == 'pytorch':
        # torchrun that is killed leaves its processes behind
        named = os.environ.get(LAUNCHER_PID)
        when_parent_ends(signal.SIGTERM, int(named) if named else None)
    _tell_pytorch(launcher, settings)
    device = get_device()
    if device not in ('cpu', 'cuda'):
        init_dist(launcher, **settings)
        return
    backend = settings.get('backend', 'nccl')
    if device == 'cpu' and backend == 'nccl':
        backend = 'gloo'
    if device == 'cuda':
        local, visible = int(os.environ['LOCAL_RANK']), _visible()
        # all processes of a machine find the same, where it is known
        here = max(int(os.environ.get('LOCAL_WORLD_SIZE', 0)), local + 1)
        if here > visible:
            raise ValueError(
                f'--launcher {launcher}: {here} processes on a machine where '
                f'{visible} GPUs are visible; start as many processes'
            )
        torch.cuda.set_device(local)
    seconds = settings.get('timeout')
    store, rank, count = next(rendezvous('env://'))
    if restarted() and os.environ['LOCAL_WORLD_SIZE'] == str(count):
        # torchrun keeps the store of this machine's first attempt, with the
        # addresses of processes that are gone
        store = PrefixStore(os.environ[RESTARTS], store)
    distributed.init_process_group(
        backend,
        store=store,
        rank=rank,
        world_size=count,
        timeout=seconds and datetime.timedelta(seconds=seconds),
    )
    _This.store = store


def _visible() -> int:
    return torch.cuda.device_count()


def _tell_pytorch(launcher: str, settings: Mapping[str, Any]) -> None:
    """Set the variables that PyTorch reads from those of the launcher."""
    environ = os.environ
    for ours, theirs in VARIABLES[launcher].items():
        environ[ours] = environ[theirs]
    if launcher == 'slurm' and 'port' in settings:
        environ['MASTER_PORT'] = str(settings['port'])
    job = int(environ.get('SLURM_JOB_ID', 0)) if launcher == 'slurm' else 0
    port = JOB_PORTS[job % len(JOB_PORTS)] if job else MASTER_PORT
    environ.setdefault('MASTER_PORT', str(port))
    if launcher == 'slurm' and 'MASTER_ADDR' not in environ:
        environ['MASTER_ADDR'] = _first_machine(environ['SLURM_NODELIST'])


def _first_machine(machines: str) -> str:
    """The first name of what Slurm writes as ``gpu[03-07,11]``."""
    done = subprocess.run(  # noqa: S603 - the names are Slurm's own
        ['scontrol', 'show', 'hostnames', machines],  # noqa: S607
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()[0]


def to_tell(text: str) -> str | None:
    """What this process has to tell of an error; None if the first one does.

    An error that all have is told by the first alone; one that it has not, by
    who has it, with its number.
    """
    store = _This.store
    if store is None:
        # before they are joined, all of a machine find the same
        return text if _local_rank() == 0 else None
    rank, count = place()
    named = f'process {rank} of {count}: {text}'
    if rank == 0:
        store.set(ERROR, text)
        return text
    try:
        store.wait([ERROR], datetime.timedelta(seconds=AGREEING_S))
    except distributed.DistStoreError:
        return named
    except distributed.DistNetworkError:
        return None  # the first is gone, and has told
    return None if store.get(ERROR).decode() == text else named


@contextmanager
def ended_together(*, report: bool = True) -> Iterator[None]:
    """Leave the last word to the process that fails first.

    Launchers end all processes when one of them does, and tell which and why.
    A process that loses another waits for that, instead of adding an error
    of its own; it speaks where no launcher does.

    Args:
        report: Whether torchrun is told the error, to show it with the number
            of the process.

    Raises:
        LostProcessError: If another process is gone.
    """
    try:
        yield
    except Exception as error:
        lost = isinstance(error, RuntimeError) and LOST.search(str(error))
        if not is_distributed() or not lost:
            if report and distributed.is_torchelastic_launched():
                get_error_handler().record_exception(error)
            raise
        obey_signals()
        time.sleep(LAUNCHER_S)
        raise LostProcessError(
            f'another process of the run is gone ({lost[0]}); its own last '
            'words, or those of the launcher, say why'
        ) from error


def leave() -> None:
    """End the group, if there is one, with its threads.

    One that is left to the interpreter's end now and then aborts there. The
    model's wrapper holds on to it, and waits to be collected.
    """
    if is_distributed():
        _This.store = None
        # The last to let go must be Python's own reference, which ends the
        # group's threads without the interpreter's lock. The wrapper's
        # reducer would hold the lock and wait for a thread that itself waits
        # for it, to free the tensors of the last collective: for ever.
        group = distributed.group.WORLD
        distributed.destroy_process_group()
        gc.collect()
        del group
