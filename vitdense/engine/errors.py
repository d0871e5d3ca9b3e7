"""How a training ends before its time."""

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager

EXIT_BAD_INPUT = 2
# of sysexits.h: a failure that is temporary, and worth another try
EXIT_PREEMPTED = 75


class TrainingStoppedError(RuntimeError):
    """What ends a training, told in one line; nothing is wrong in the code."""


class Preempted(SystemExit):
    """A training makes room, because it was asked to."""

    def __init__(self) -> None:
        super().__init__(EXIT_PREEMPTED)


class FolderInUseError(OSError):
    """Another run is writing to the work folder."""


@contextmanager
def full_disk_stops() -> Iterator[None]:
    """Stop with one line where a log or a picture finds no room to be written.

    Raises:
        TrainingStoppedError: If there is none.
    """
    told = logging.raiseExceptions
    # each line of a log would be followed by a traceback
    logging.raiseExceptions = False
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise TrainingStoppedError(
            f'cannot write {error.filename or "to the work folder"}: '
            f'{error.strerror}; checkpoints are whole, and --resume goes on '
            'from the last, if there is one'
        ) from error
    finally:
        logging.raiseExceptions = told
