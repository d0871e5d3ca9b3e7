"""One run at a time in a work folder."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

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


HOLD = """
import sys
from vitdense.engine.work_folder import occupied
with occupied(sys.argv[1]):
    print('held', flush=True)
    sys.stdin.read()
"""


def test_second_run_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    work_dir = str(tmp_path / 'work')
    check_free(work_dir)
    process = subprocess.Popen(
        [sys.executable, '-c', HOLD, work_dir],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    while process.stdout.readline().strip() != 'held':
        assert process.poll() is None
    named = f"work_dir '{work_dir}' is in use by process {process.pid} on "
    with pytest.raises(FolderInUseError) as refusal:
        check_free(work_dir)
    assert named in str(refusal.value)
    with pytest.raises(FolderInUseError), occupied(work_dir):
        pass
    process.kill()
    process.communicate()
    check_free(work_dir)
    with occupied(work_dir) as killed:
        assert f'process {process.pid} on ' in killed
    assert Path(work_dir, LOCK).read_text() == ''
    with occupied(work_dir) as killed:
        assert killed == ''
