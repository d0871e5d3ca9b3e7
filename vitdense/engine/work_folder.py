"""One run at a time in a work folder."""

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from mmengine.dist import is_main_process

from vitdense.engine.errors import FolderInUseError

LOCK = '.lock'


def check_free(work_dir: str) -> None:
    """See that no other run is writing to a folder; changes nothing.

    The first process asks for all: the others of its run would be in its way.

    Raises:
        FolderInUseError: If one is, naming its process and machine.
    """
    path = Path(work_dir, LOCK)
    if is_main_process() and path.is_file():
        with path.open('r+') as file:
            _lock(file, work_dir)


@contextmanager
def occupied(work_dir: str) -> Iterator[str]:
    """Keep other runs out of a folder; the first process does it for all.

    The system lets go of the lock when this process ends, however it ends;
    processes that it has started do not hold it.

    Args:
        work_dir: Made if it is not there.

    Yields:
        What is known of a run that was killed there, or nothing.

    Raises:
        FolderInUseError: If another run is writing there, naming its process
            and machine.
    """
    if not is_main_process():
        yield ''
        return
    path = Path(work_dir, LOCK)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open('a+') as file:
        _lock(file, work_dir)
        stale = _read(file)
        file.truncate(0)
        file.write(
            f'process {os.getpid()} on {socket.gethostname()}, since '
            f'{time.strftime("%Y-%m-%d %H:%M:%S")}\n'
        )
        file.flush()
        try:
            yield stale
        finally:
            file.truncate(0)


def _lock(file: IO[str], work_dir: str) -> None:
    try:
        # a record lock: processes forked to load data do not inherit it, and
        # network file systems know it
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        other = _read(file) or 'another process'
        raise FolderInUseError(
            f'the folder {work_dir!r} is in use by {other}; choose another '
            'work_dir (or out_dir of checkpoints), or wait for it to end'
        ) from None


def _read(file: IO[str]) -> str:
    file.seek(0)
    return file.read().strip()
