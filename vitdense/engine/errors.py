"""How a training ends before its time."""

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
