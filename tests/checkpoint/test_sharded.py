"""Checkpoints in folders: read whole, or refused with what is wrong."""

import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, distributed
from torch.distributed.checkpoint.state_dict_saver import save
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import distribute_tensor

from vitdense.checkpoint.errors import CheckpointError
from vitdense.checkpoint.gather import gather_checkpoint
from vitdense.checkpoint.reading.digest import CONTENT_SHA256, digest_content
from vitdense.checkpoint.reading.safe import read_file
from vitdense.checkpoint.sharded import (
    DIGESTS,
    REST,
    sharded_tensors,
    without_sharded,
    write_digests,
)


@pytest.fixture
def group(tmp_path: Path) -> Iterator[None]:
    """A group of this process alone."""
    distributed.init_process_group(
        'gloo', init_method=f'file://{tmp_path}/store', rank=0, world_size=1
    )
    yield
    distributed.destroy_process_group()


def whole_content() -> dict[str, Any]:
    """What a training saves, in little."""
    weight = torch.arange(10.0).view(5, 2)
    state = {0: {'step': torch.tensor(3.0), 'exp_avg': weight + 0.5}}
    return {
        'meta': {'iter': 7},
        'state_dict': {'a.weight': weight, 'norm.mean': torch.ones(3)},
        'optimizer': {'state': state, 'param_groups': [{'lr': 0.1}]},
    }


@pytest.fixture
def folder(tmp_path: Path, group: None) -> Path:
    """A checkpoint whose matrices were written in parts."""
    mesh = init_device_mesh('cpu', (1,))

    def divided(node: Any) -> Any:
        if isinstance(node, Tensor):
            return distribute_tensor(node, mesh) if node.dim() == 2 else node
        if isinstance(node, dict):
            return {key: divided(each) for key, each in node.items()}
        return node

    content = divided(whole_content())
    path = tmp_path / 'iter_7.pth'
    found = dict(sharded_tensors(content))
    assert list(found) == ['state_dict/a.weight', 'optimizer/state/0/exp_avg']
    save(found, checkpoint_id=path)
    rest = without_sharded(content)
    assert rest['state_dict']['a.weight'] is None
    assert content['state_dict']['a.weight'] is not None
    rest[CONTENT_SHA256] = digest_content(rest)
    torch.save(rest, path / REST)
    write_digests(path)
    return path


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
