"""Written files are whole, and as readable as any other new file."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from vitdense.checkpoint import convert
from vitdense.checkpoint.reading.source import _cached, _Transfer, cache_path
from vitdense.checkpoint.whole_file import (
    clear_up,
    left_aside,
    name_folder,
    part_name,
    whole_file,
)

URL = 'http://weights.example/model.pth'


@pytest.fixture(params=[0o022, 0o077, 0o002])
def mode(request: pytest.FixtureRequest) -> Iterator[int]:
    """What the umask leaves of a new file's permissions."""
    before = os.umask(request.param)
    yield 0o666 & ~request.param
    os.umask(before)


def permissions(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the file of ``URL`` is kept; the network is played."""
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    monkeypatch.setattr(
        _Transfer, 'run', lambda self: torch.save({}, self.file)
    )
    return cache_path(URL)


def test_of_a_download(mode: int, download: Path) -> None:
    assert _cached(URL, None) == download
    assert permissions(download) == mode


@pytest.mark.parametrize('suffix', ['.safetensors', '.pth'])
def test_of_a_converted_file(mode: int, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f'x{suffix}'
    convert._write({'a': torch.zeros(1)}, {'format': 'pt'}, path)
    assert permissions(path) == mode
    assert list(tmp_path.iterdir()) == [path]


def test_a_colleagues_cache_is_read_without_its_lock(
    download: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _cached(URL, None)

    def refuse(path: Path) -> None:
        raise PermissionError(path)

    monkeypatch.setattr('vitdense.checkpoint.reading.source.FileLock', refuse)
    assert _cached(URL, None) == download


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / 'x'
    path.write_text('before')
    with pytest.raises(IsADirectoryError), whole_file(path) as part:
        part.parent.read_bytes()  # a writer that fails
    assert [p.read_text() for p in tmp_path.iterdir()] == ['before']


def test_a_reader_never_sees_a_part(tmp_path: Path) -> None:
    path = tmp_path / 'x'
    with whole_file(path) as part:
        part.write_text('half')
        assert not path.exists()
    assert path.read_text() == 'half'


class KilledError(BaseException):
    """In place of a signal that no handler hears."""


@pytest.mark.parametrize('renames', [0, 1, 2])
def test_a_folder_is_replaced_or_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    """Killed after any of its steps, nothing that was whole is lost."""
    path, part = tmp_path / 'epoch_1.pth', tmp_path / part_name()
    for folder, text in ((path, 'old'), (part, 'new')):
        folder.mkdir()
        (folder / 'rest.pth').write_text(text)
    rename = Path.replace
    done: list[Path] = []

    def killed(source: Path, target: Path) -> None:
        if len(done) == renames:
            raise KilledError
        rename(source, target)
        done.append(target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, 'replace', killed)
        patch.setattr('vitdense.checkpoint.whole_file.remove', killed_remove)
        with pytest.raises(KilledError):
            name_folder(part, path)
    assert list(left_aside(tmp_path)) == ([path] if renames == 1 else [])
    clear_up(tmp_path)
    assert list(tmp_path.iterdir()) == [path]
    expected = 'new' if renames == 2 else 'old'
    assert (path / 'rest.pth').read_text() == expected


def killed_remove(path: Path) -> None:
    if path.exists():
        raise KilledError
