"""Checkpoints in folders: read whole, or refused with what is wrong."""

import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
from processes import environment
from sharded_folder import whole_content, write
from torch.multiprocessing.spawn import spawn

from vitdense.checkpoint.errors import CheckpointError
from vitdense.checkpoint.gather import gather_checkpoint
from vitdense.checkpoint.reading.digest import CONTENT_SHA256, digest_content
from vitdense.checkpoint.reading.safe import read_file
from vitdense.checkpoint.sharded import DIGESTS, REST, write_digests


@pytest.fixture(scope='module')
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint whose matrices were written in parts."""
    path = tmp_path_factory.mktemp('written') / 'iter_7.pth'
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment().items():
            patch.setenv(name, value)
        spawn(write, (str(path),), nprocs=1)
    return path


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    """A copy of it, to break."""
    return Path(shutil.copytree(written, tmp_path / written.name))


def test_read_whole(folder: Path) -> None:
    content, expected = read_file(folder), whole_content()
    assert list(content) == list(expected)
    assert digest_content(content) == digest_content(expected)
    assert list(content['state_dict']) == list(expected['state_dict'])


def test_gathered(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / 'plain.pth'
    gather_checkpoint(folder, file)
    content = read_file(file)
    stated = content.pop(CONTENT_SHA256)
    assert stated == digest_content(whole_content())
    with pytest.raises(CheckpointError, match='exists; it was not overwritt'):
        gather_checkpoint(folder, file)
    with pytest.raises(CheckpointError, match='no checkpoint of a model in'):
        gather_checkpoint(file, tmp_path / 'other.pth')


@pytest.mark.parametrize('name', ['__0_0.distcp', '.metadata', REST])
def test_damage_is_named(folder: Path, name: str) -> None:
    path = folder / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=f'{name} is damaged'):
        read_file(folder)


@pytest.mark.parametrize('name', ['__0_0.distcp', '.metadata', DIGESTS])
def test_what_is_missing_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=f'it has no {name}'):
        read_file(folder)


@pytest.mark.parametrize('content', [b'', b'\xff\xfe', b'0  other\n'])
def test_a_list_that_does_not_fit_is_named(
    folder: Path, content: bytes
) -> None:
    (folder / DIGESTS).write_bytes(content)
    with pytest.raises(CheckpointError, match=f'{DIGESTS} is damaged'):
        read_file(folder)


class _Code:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ('it_has_run',)


def test_code_in_the_index_does_not_run(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (folder / '.metadata').write_bytes(pickle.dumps(_Code()))
    (folder / DIGESTS).unlink()
    write_digests(folder)
    with pytest.raises(CheckpointError, match=r'it would call \w+.mkdir'):
        read_file(folder)
    assert not (tmp_path / 'it_has_run').exists()
