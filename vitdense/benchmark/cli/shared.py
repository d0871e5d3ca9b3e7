"""What all commands share."""

from pathlib import Path

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)

from vitdense.terminal import bar_of


def check_folders(*files: Path | None) -> None:
    """See that files can be written.

    Raises:
        FileNotFoundError: If a folder is not there.
    """
    for path in files:
        if path is not None and not path.absolute().parent.is_dir():
            raise FileNotFoundError(f'there is no folder {path.parent}')


def progress_bar() -> Progress:
    """A bar: what is done, how much of it, for how long."""
    return bar_of(
        TextColumn('{task.description}', markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
