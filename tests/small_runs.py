"""A small data set, made once, and the quick starts told to use it.

Also work folders as trainings of them leave them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

from vitdense.datasets import shapes

QUICKSTART = Path(__file__).resolve().parents[1] / 'configs/quickstart'
DETECTOR = QUICKSTART / 'mask-rcnn_pvt-v2-b0_fpn_shapes.py'
SEGMENTER = QUICKSTART / 'semantic-fpn_pvt-v2-b0_1xb8-600_shapes-128x128.py'
SPLITS = ('train', 'val', 'test')


FEW = {'train2017': 4, 'val2017': 2}
MORE = {'train2017': 16, 'val2017': 30}


@pytest.fixture(scope='session')
def small_shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shapes data set, of four pictures to train on and two to score."""
    folder = tmp_path_factory.mktemp('data') / 'shapes'
    shapes.ensure_shapes(folder, FEW)
    return folder


@pytest.fixture(scope='session')
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shapes data set, of as many pictures as longer trainings have."""
    folder = tmp_path_factory.mktemp('data') / 'shapes'
    shapes.ensure_shapes(folder, MORE)
    return folder


def where(
    root: object, config: Path = DETECTOR, splits: tuple[str, ...] = SPLITS
) -> dict[str, Any]:
    """Settings that put the data of some splits to ``root``, in batches of
    two read by this process."""
    places = {
        'dataset.data_root': str(root),
        'num_workers': 0,
        'persistent_workers': False,
        'batch_size': 2,
    }
    settings: dict[str, Any] = {
        f'{split}_dataloader.{key}': value
        for split in splits
        for key, value in places.items()
    }
    derived = config.read_text()
    if config != SEGMENTER and str(SEGMENTER) not in derived:
        annotations = f'{root}/coco/annotations/instances_val2017.json'
        for split in splits[1:]:
            settings[f'{split}_evaluator.ann_file'] = annotations
    return settings


def left_by_training(
    folder: Path,
    config: Path,
    data: Path,
    settings: Mapping[str, Any],
    seed: int = 0,
) -> Path:
    """A work folder as after a training, of a model with random weights."""
    cfg = Config.fromfile(config)
    cfg.merge_from_dict({**where(data, config), **settings})
    folder.mkdir(parents=True)
    cfg.dump(folder / 'config.py')
    init_default_scope(cfg.default_scope)
    torch.manual_seed(seed)
    model = MODELS.build(cfg.model)
    content = {'state_dict': model.state_dict(), 'meta': {'epoch': 4}}
    torch.save(content, folder / 'epoch_4.pth')
    (folder / 'last_checkpoint').write_text('epoch_4.pth')
    return folder


@pytest.fixture(scope='module')
def detector(
    tmp_path_factory: pytest.TempPathFactory, small_shapes: Path
) -> Path:
    """A work folder of the detector."""
    folder = tmp_path_factory.mktemp('runs') / 'detector'
    return left_by_training(folder, DETECTOR, small_shapes, {})


@pytest.fixture(scope='module')
def segmenter(
    tmp_path_factory: pytest.TempPathFactory, small_shapes: Path
) -> Path:
    """A work folder of the segmenter."""
    folder = tmp_path_factory.mktemp('runs') / 'segmenter'
    return left_by_training(folder, SEGMENTER, small_shapes, {})
