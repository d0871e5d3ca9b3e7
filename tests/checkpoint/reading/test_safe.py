"""Files that are no weights: one clear error, and no code runs."""

import argparse
import pickle
import struct
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from safetensors.torch import save_file

from vitdense.checkpoint import CheckpointError
from vitdense.checkpoint.reading import safe
from vitdense.checkpoint.reading.safe import read_file


class Harmful:
    """Touches a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


class Getattr:
    """Asks for an attribute of something else than a HistoryBuffer."""

    def __init__(self, owner: object, name: str) -> None:
        self.owner, self.name = owner, name

    def __reduce__(self) -> tuple[object, ...]:
        return getattr, (self.owner, self.name)


def legacy(content: object, path: Path) -> None:
    torch.save(content, path, _use_new_zipfile_serialization=False)


def plain(content: object, path: Path) -> None:
    path.write_bytes(pickle.dumps(content, protocol=2))


@pytest.mark.parametrize('save', [torch.save, legacy, plain])
def test_malicious_pickle_does_not_run(
    tmp_path: Path, save: Callable[[Any, Path], Any]
) -> None:
    mark, path = tmp_path / 'mark', tmp_path / 'x.pth'
    save({'state_dict': {}, 'meta': Harmful(mark)}, path)
    with pytest.raises(CheckpointError, match='asks for pathlib') as error:
        read_file(path)
    assert str(path) in str(error.value)
    assert '--trust-pickle' in str(error.value)
    assert '\n' not in str(error.value)
    assert not mark.exists()


def test_trusted_pickle_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark, path = tmp_path / 'mark', tmp_path / 'x.pth'
    torch.save({'meta': Harmful(mark)}, path)
    monkeypatch.setattr(safe, '_trust_pickle', True)
    read_file(path)
    assert mark.exists()


@pytest.mark.parametrize(
    ('owner', 'name'),
    [
        (HistoryBuffer, '__init__'),
        (HistoryBuffer, '__subclasses__'),
        (np.ndarray, 'tofile'),
        (argparse.Namespace, '__class__'),
        (OrderedDict, 'min'),
    ],
)
def test_getattr_is_for_statistics_alone(
    tmp_path: Path, owner: object, name: str
) -> None:
    path = tmp_path / 'x.pth'
    torch.save({'meta': Getattr(owner, name)}, path)
    with pytest.raises(CheckpointError, match=r'asks for builtins\.getattr'):
        read_file(path)


def test_what_mmengine_saves_loads(tmp_path: Path) -> None:
    history = HistoryBuffer([1.0, 3.0], [1, 1])
    content: dict[str, Any] = {
        'state_dict': OrderedDict(weight=torch.arange(3.0)),
        'message_hub': {
            'log_scalars': OrderedDict(loss=history),
            'runtime_info': OrderedDict(
                loss=np.float64(0.5), iter=np.int64(3), good=np.bool_(True)
            ),
        },
        'meta': {
            'dataset_meta': {'CLASSES': ('a',), 'PALETTE': np.ones((2, 3))},
            'args': argparse.Namespace(lr=0.1),
        },
    }
    path = tmp_path / 'epoch_1.pth'
    torch.save(content, path)
    before = torch.serialization.get_safe_globals()
    loaded = read_file(path)
    assert set(torch.serialization.get_safe_globals()) == set(before)
    hub = loaded['message_hub']
    assert hub['log_scalars']['loss'].statistics('mean') == 2
    assert hub['runtime_info'] == content['message_hub']['runtime_info']
    palette = loaded['meta']['dataset_meta']['PALETTE']
    assert palette.tolist() == np.ones((2, 3)).tolist()
    assert loaded['meta']['args'].lr == 0.1


@pytest.mark.parametrize('module', ['core', '_core'])
def test_files_of_either_numpy_load(tmp_path: Path, module: str) -> None:
    """numpy 2 renamed the module that pickles name."""
    written = pickle.dumps(np.float64(0.5), protocol=2)
    own = b'numpy._core.' if b'numpy._core.' in written else b'numpy.core.'
    path = tmp_path / 'x.pth'
    legacy({'loss': np.float64(0.5)}, path)
    text = path.read_bytes().replace(own, f'numpy.{module}.'.encode())
    path.write_bytes(text)
    assert read_file(path) == {'loss': 0.5}


def truncated(path: Path, save: Callable[[Any, Path], Any]) -> None:
    save({'weight': torch.arange(5000.0)}, path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


DAMAGED: dict[str, tuple[Callable[[Path], object], str]] = {
    'missing': (lambda p: None, 'does not exist'),
    'empty': (lambda p: p.touch(), 'is empty'),
    'directory': (lambda p: p.mkdir(), 'is a directory'),
    'text': (lambda p: p.write_text('Not Found\n'), "text: 'Not Found"),
    'page': (lambda p: p.write_text('<!DOCTYPE html><p>'), 'a web page'),
    'lfs': (
        lambda p: p.write_text('version https://git-lfs.github.com/spec/v1\n'),
        'Git LFS pointer',
    ),
    'image': (
        lambda p: p.write_bytes(b'\x89PNG\r\n\x1a\n\x00'),
        'begins with',
    ),
    'truncated': (lambda p: truncated(p, torch.save), 'damaged or truncated'),
    'truncated legacy': (lambda p: truncated(p, legacy), 'damaged'),
    'truncated safetensors': (lambda p: truncated(p, save_file), 'truncated'),
    'two bytes': (lambda p: p.write_bytes(b'\x80\x02'), 'damaged'),
    'header without end': (
        lambda p: p.write_bytes(struct.pack('<Q', 1 << 60) + b'{"a"'),
        'damaged or truncated',
    ),
}


@pytest.mark.parametrize('kind', DAMAGED)
def test_no_checkpoint(tmp_path: Path, kind: str) -> None:
    make, told = DAMAGED[kind]
    path = tmp_path / 'weights.pth'
    make(path)
    with pytest.raises(CheckpointError, match=told) as error:
        read_file(path)
    assert str(error.value).startswith(f'{path} ')
    assert '\n' not in str(error.value)
