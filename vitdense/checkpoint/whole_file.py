"""Files and folders that have their names only when they are whole."""

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PART = re.compile(r'\.[0-9a-f]{16}\.part$')
_ASIDE = '.before'


def part_name() -> str:
    """A name that ``clear_up`` knows."""
    return f'.{secrets.token_hex(8)}.part'


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """An empty file beside ``path``, renamed to it if the block succeeds.

    Nothing is left of it if the block fails, and what has the name survives
    a loss of power: the disk has it before it is renamed. The file may be
    read by whom the process's umask lets read new files, whatever the writer
    makes of it: ``mkstemp`` and some writers make files that only their owner
    can read, of no use in a cache that colleagues share.

    Args:
        path: The name of the file; a file that has it is replaced.
    """
    part = path.with_name(part_name())
    part.touch(exist_ok=False)
    mode = part.stat().st_mode
    try:
        yield part
        part.chmod(mode)
        _to_disk(part)
        part.replace(path)
        _to_disk(path.parent)
    finally:
        part.unlink(missing_ok=True)


def name_folder(part: Path, path: Path) -> None:
    """Give a folder that is whole its name, to the disk.

    A folder cannot take the name of another in one step. The other one keeps
    a name that tells whose place it had, so that a process killed in between
    has not lost it: ``clear_up`` gives it its name again.

    Args:
        part: The folder; all of its files are to the disk before.
        path: Its name; what has that name is replaced.
    """
    for each in [*part.iterdir(), part]:
        _to_disk(each)
    before = aside(path)
    if path.exists():
        remove(before)
        path.replace(before)
    part.replace(path)
    _to_disk(path.parent)
    remove(before)


def aside(path: Path) -> Path:
    """Where what has a name is while another folder takes its place."""
    return path.with_name(f'.{path.name}{_ASIDE}')


def left_aside(folder: Path) -> dict[Path, Path]:
    """What was about to be replaced when its writer was killed, by the name
    that it had, which nothing has now."""
    found = {
        each.with_name(each.name[1 : -len(_ASIDE)]): each
        for each in folder.glob(f'.*{_ASIDE}')
    }
    return {path: now for path, now in found.items() if not path.exists()}


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def clear_up(folder: Path) -> list[Path]:
    """Undo what writers that were killed have left half done; gives what was
    removed.

    Args:
        folder: Nobody else may be writing there.
    """
    for path, now in left_aside(folder).items():
        now.replace(path)
    left = [each for each in folder.glob('.*.part') if _PART.match(each.name)]
    left += folder.glob(f'.*{_ASIDE}')
    for each in left:
        remove(each)
    return left


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
