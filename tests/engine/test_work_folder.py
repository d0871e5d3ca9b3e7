"""One run at a time in a work folder."""

import errno
import socket
from pathlib import Path

import pytest
from processes import held

from vitdense.engine.errors import (
    FolderInUseError,
    TrainingStoppedError,
    full_disk_stops,
)
from vitdense.engine.work_folder import LOCK, check_free, occupied


def test_a_full_disk_is_one_line() -> None:
    """Whatever was being written."""
    with (
        pytest.raises(TrainingStoppedError, match='cannot write /a/log: No'),
        full_disk_stops(),
    ):
        raise OSError(errno.ENOSPC, 'No space left on device', '/a/log')
    with pytest.raises(FileNotFoundError), full_disk_stops():
        raise FileNotFoundError(errno.ENOENT, 'No such file', '/a/log')


def test_second_run_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    work_dir = str(tmp_path / 'work')
    check_free(work_dir)
    with held(Path(work_dir)) as process:
        named = (
            f"'{work_dir}' is in use by process {process.pid} on "
            f'{socket.gethostname()}, since '
        )
        with pytest.raises(FolderInUseError) as refusal:
            check_free(work_dir)
        assert named in str(refusal.value)
        with pytest.raises(FolderInUseError), occupied(work_dir):
            pass
    check_free(work_dir)
    with occupied(work_dir) as killed:
        assert f'process {process.pid} on ' in killed
    assert Path(work_dir, LOCK).read_text() == ''
    with occupied(work_dir) as killed:
        assert killed == ''
