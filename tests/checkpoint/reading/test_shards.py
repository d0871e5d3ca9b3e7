"""Checkpoints in several files: what one file would hold, or an error."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from vitdense.checkpoint import CheckpointError
from vitdense.checkpoint.reading.safe import read_file
from vitdense.checkpoint.reading.source import locate

NAME = 'model.safetensors.index.json'
TENSORS = {name: torch.full((3,), float(i)) for i, name in enumerate('abc')}
PLACES = {'a': '1.safetensors', 'b': '2.bin', 'c': '2.bin'}


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """An index of a safetensors file and one of PyTorch's."""
    save_file({'a': TENSORS['a']}, tmp_path / '1.safetensors')
    torch.save({n: TENSORS[n] for n in 'bc'}, tmp_path / '2.bin')
    return write(tmp_path / NAME, PLACES)


def write(path: Path, places: Any) -> Path:
    path.write_text(json.dumps({'metadata': {}, 'weight_map': places}))
    return path


@pytest.mark.parametrize('mapped', [False, True])
def test_read_as_one(index: Path, mapped: bool) -> None:
    for source in (index, index.parent):
        found = read_file(locate(str(source)), mapped=mapped)
        assert found.keys() == TENSORS.keys()
        assert all(torch.equal(found[n], t) for n, t in TENSORS.items())


def test_one_file_in_a_folder(tmp_path: Path) -> None:
    path = tmp_path / 'model.safetensors'
    save_file(TENSORS, path)
    assert locate(str(tmp_path)) == path


@pytest.mark.parametrize(
    ('places', 'message'),
    [
        ({**PLACES, 'd': '2.bin'}, '2.bin lacks d'),
        ({'a': '1.safetensors', 'c': '2.bin'}, 'has, unlike the index, b'),
        ({**PLACES, 'd': '3.bin'}, '3.bin does not exist'),
        ({**PLACES, 'd': '../3.bin'}, "has '../3.bin' for d"),
        ({**PLACES, 'd': None}, 'has None for d'),
        ({}, 'has no weight_map'),
        ([], 'has no weight_map'),
    ],
)
def test_what_does_not_agree(index: Path, places: Any, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_file(write(index, places))


def test_index_is_no_json(index: Path) -> None:
    index.write_text('{')
    with pytest.raises(CheckpointError, match=f'{NAME} is no JSON'):
        read_file(index)


def test_index_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=f'{NAME}: No such file'):
        read_file(tmp_path / NAME)


def test_no_digest_of_several_files(index: Path) -> None:
    with pytest.raises(CheckpointError, match='leave it out'):
        locate(str(index), '0' * 64)
