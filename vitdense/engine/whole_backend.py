"""mmengine's local files, written whole or not at all."""

from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend

from vitdense.checkpoint.whole_file import whole_file

NAME = 'vitdense.whole'


class WholeFileBackend(LocalBackend):
    """Writes beside a file's name, to the disk, and then renames."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write a file, in a folder that is made if it is not there.

        Raises:
            OSError: If it cannot be written whole; then what was there under
                its name is as it was.
        """
        path = Path(filepath)
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as part:
            part.write_bytes(obj)


# force: modules may be imported anew, as by tests
register_backend(NAME, WholeFileBackend, force=True)
