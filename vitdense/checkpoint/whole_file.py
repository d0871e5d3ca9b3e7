"""Files that appear under their names only when they are whole."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """An empty file beside ``path``, renamed to it if the block succeeds.

    Nothing is left of it if the block fails. The file may be read by whom the
    process's umask lets read new files, whatever the writer makes of it:
    ``mkstemp`` and some writers make files that only their owner can read,
    of no use in a cache that colleagues share.

    Args:
        path: The name of the file; a file that has it is replaced.
    """
    part = path.with_name(f'.{secrets.token_hex(8)}.part')
    part.touch(exist_ok=False)
    mode = part.stat().st_mode
    try:
        yield part
        part.chmod(mode)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
