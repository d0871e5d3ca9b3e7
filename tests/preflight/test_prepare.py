"""What training and testing accept, and what they keep of it."""

import gc
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine import fileio
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from mmengine.visualization import Visualizer
from small_runs import DETECTOR, FEW, SEGMENTER, where

from vitdense.backbones.pvt import PVT
from vitdense.datasets import shapes
from vitdense.preflight.options import TestOptions
from vitdense.preflight.prepare import prepare_testing
from vitdense.preflight.rehearsal import no_traces

MIXED = """
_base_ = {base!r}
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='MultiImageMixDataset',
        dataset=dict(
            type='vitdense.ShapesInstances',
            data_root={root!r},
            ann_file='coco/annotations/instances_train2017.json',
            data_prefix=dict(img='coco/train2017/'),
            pipeline=[
                dict(type='LoadImageFromFile'),
                dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
            ],
        ),
        pipeline=[
            dict(type='CopyPaste', max_num_pasted=2),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackDetInputs'),
        ],
    )
)
"""
CLASSES = """
_base_ = {base!r}
from mmengine.optim import OptimWrapper
from vitdense.backbones.pvt import PVT
from vitdense.datasets.detection import ShapesInstances

model = dict(backbone=dict(type=PVT))
train_dataloader = dict(dataset=dict(type=ShapesInstances))
optim_wrapper = dict(type=OptimWrapper)
"""


@pytest.fixture
def write(tmp_path: Path, small_shapes: Path) -> Callable[[str], Path]:
    def run(text: str) -> Path:
        path = tmp_path / 'mine.py'
        path.write_text(
            text.format(base=str(DETECTOR), root=str(small_shapes))
        )
        return path

    return run


@pytest.mark.parametrize('path', [DETECTOR, SEGMENTER])
def test_a_run_is_prepared_without_traces(
    prepare: Callable, path: Path
) -> None:
    managed = [DefaultScope, MMLogger, Visualizer]
    before = [dict(kind._instance_dict) for kind in managed]
    prepared = prepare(path)
    assert [dict(kind._instance_dict) for kind in managed] == before
    assert prepared.parts.keys() == {
        *('model', 'train_dataloader', 'val_dataloader', 'val_evaluator'),
        'randomness',
    }
    assert 'train data 4 pictures' in prepared.summary
    # the base of the backbone names a file, which the quick start leaves out
    assert 'weights    none, from scratch' in prepared.summary


def test_data_sets_that_mix_images(prepare: Callable, write: Callable) -> None:
    own = {'train_dataloader__dataset__data_root': 'left out'}
    prepared = prepare(write(MIXED), **own)
    assert 'train data 4 pictures' in prepared.summary


def test_types_may_be_classes(prepare: Callable, write: Callable) -> None:
    assert 'with PVT v2-b0' in prepare(write(CLASSES)).summary


class Store(fileio.BaseStorageBackend):
    """An object store: what it holds is at no path of this machine."""

    folder = Path()

    def place(self, filepath: str) -> Path:
        return self.folder / filepath.removeprefix('store://bucket/')

    def get(self, filepath: str) -> bytes:
        return self.place(filepath).read_bytes()

    def get_text(self, filepath: str, encoding: str = 'utf-8') -> str:
        return self.get(filepath).decode(encoding)

    def join_path(self, filepath: str, *filepaths: str) -> str:
        return '/'.join([filepath.rstrip('/'), *filepaths])

    @contextmanager
    def get_local_path(self, filepath: str) -> Iterator[str]:
        yield str(self.place(filepath))


def test_remote_files(
    prepare: Callable, small_shapes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Store, 'folder', small_shapes)
    fileio.register_backend('store', Store, prefixes='store', force=True)
    monkeypatch.setattr('vitdense.datasets.detection.ensure_shapes', str)
    root = 'store://bucket'
    settings = {k.replace('.', '__'): v for k, v in where(root).items()}
    prepared = prepare(**settings)
    assert f'4 pictures of {root}' in prepared.summary
    settings['model__roi_head__bbox_head__num_classes'] = 3
    with pytest.raises(ValueError, match='num_classes=3'):
        prepare(**settings)


@pytest.mark.parametrize('split', ['train', 'val'])
def test_the_classes_of_every_data_set_count(
    prepare: Callable, split: str
) -> None:
    place = f'{split}_dataloader__dataset'
    said = f'{split}_dataloader.dataset has 2 classes'
    with pytest.raises(ValueError, match=said):
        prepare(**{f'{place}__metainfo__classes': ['circle', 'star']})


def test_annotations_are_let_go(
    prepare: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Annotations(dict):
        """A dict that can be found again."""

    seen = []

    def loads(text: bytes) -> Annotations:
        content = Annotations(json.loads(text))
        seen.append(len(content['images']))
        return content

    reading = SimpleNamespace(loads=loads)
    monkeypatch.setattr('vitdense.preflight.coco_file.json', reading)
    prepared = prepare()
    # data set and evaluator name the same file, which is parsed once
    assert seen == [4, 2]
    gc.collect()
    assert not [x for x in gc.get_objects() if isinstance(x, Annotations)]
    assert prepared.parts


def test_no_pretrained_file_is_read_for_nothing(
    prepare: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = {'type': 'Pretrained', 'checkpoint': str(tmp_path / 'no.pth')}
    monkeypatch.setattr('vitdense.preflight.prepare.Rehearsal', None)
    with pytest.raises(FileNotFoundError, match=r'no\.pth'):
        prepare(model__backbone__init_cfg=absent)


def test_resuming_needs_a_training_state(
    prepare: Callable, tmp_path: Path
) -> None:
    weights = tmp_path / 'weights.pth'
    state = prepare().parts['model'].state_dict()
    torch.save({'state_dict': state}, weights)
    begun = prepare(load_from=str(weights)).parts
    torch.testing.assert_close(begun['model'].state_dict(), state)
    with pytest.raises(ValueError, match='no state of a training'):
        prepare(load_from=str(weights), resume=True)


@pytest.mark.parametrize('tta', [False, True])
def test_testing(small_shapes: Path, tmp_path: Path, tta: bool) -> None:
    options: dict[str, Any] = {
        'config': str(SEGMENTER),
        'checkpoint': str(tmp_path / 'weights.pth'),
        'cfg_options': where(small_shapes, SEGMENTER),
        'work_dir': str(tmp_path / 'work'),
        'out': str(tmp_path / 'out'),
        'tta': tta,
    }
    with pytest.raises(FileNotFoundError, match='no checkpoint at'):
        prepare_testing(TestOptions(**options))
    torch.save({'a': torch.ones(1)}, tmp_path / 'weights.pth')
    with pytest.raises(ValueError, match='1 unexpected'):
        prepare_testing(TestOptions(**options))
    assert not (tmp_path / 'out').exists()


def test_the_model_is_built_once(
    prepare: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = []
    init = PVT.__init__

    def count(self: PVT, *args: Any, **kwargs: Any) -> None:
        built.append(self)
        init(self, *args, **kwargs)

    monkeypatch.setattr(PVT, '__init__', count)
    prepared = prepare()
    with no_traces():
        runner = prepared.build_runner()
    assert len(built) == 1
    assert runner.model is prepared.parts['model']


def test_data_that_makes_itself_is_made_after_the_cheap_checks(
    prepare: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its method, whatever the class is called."""
    for split, number in FEW.items():
        monkeypatch.setitem(shapes.IMAGES, split, number)
    root = tmp_path / 'made'
    settings = {k.replace('.', '__'): v for k, v in where(root).items()}
    for mistake in (
        {'train_cfg__max_epochs': 0},
        {'model__roi_head__bbox_head__num_classes': 3},
        {'model__neck__in_channels': [1, 2, 3, 4]},
    ):
        with pytest.raises(ValueError, match=r'max_epochs|num_c|in_channels'):
            prepare(**settings, **mistake)
        assert not root.exists()
    prepare(**settings)
    assert (root / 'shapes.json').is_file()
