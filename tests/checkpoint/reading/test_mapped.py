"""Large files: read a little at a time, and damage is found all the same."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from vitdense.checkpoint import CheckpointError
from vitdense.checkpoint.reading import mapped
from vitdense.checkpoint.reading.digest import TENSORS_SHA256, digest_tensors
from vitdense.checkpoint.reading.mapped import (
    MappedTensors,
    check_sums,
    is_large,
)

TENSORS = {f'{i}': torch.full((999,), float(i)) for i in range(100)}


@pytest.fixture(autouse=True)
def _small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped, 'LARGE_BYTES', 1000)


def write(path: Path) -> Path:
    if path.suffix == '.safetensors':
        stated = {TENSORS_SHA256: digest_tensors(TENSORS)}
        save_file(TENSORS, path, stated)
    else:
        torch.save(TENSORS, path)
    return path


def test_opened_anew_for_each_part() -> None:
    opened = []

    def open_file() -> dict[str, Tensor]:
        opened.append(1)
        return TENSORS

    found = MappedTensors(open_file)
    assert list(found) == list(TENSORS)
    assert len(found) == 100
    for name, tensor in TENSORS.items():
        assert found[name] is tensor
    # each part goes on until more than its bytes were given
    assert len(opened) == -(-100 // (100 // mapped.PARTS + 1))


@pytest.mark.parametrize('name', ['x.safetensors', 'x.pth'])
def test_damage_is_found(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name)
    assert is_large(path)
    check_sums(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=f'{name} is damaged'):
        check_sums(path)


def test_what_cannot_be_mapped_is_read_at_once(tmp_path: Path) -> None:
    path = tmp_path / 'x.pth'
    torch.save(TENSORS, path, _use_new_zipfile_serialization=False)
    assert not is_large(path)
    assert not is_large(tmp_path / 'absent.pth')
