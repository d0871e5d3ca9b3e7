"""Folders that are classes: what is said of them before training."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from interpreter import ROOT
from timm_alone import import_mmpretrain

from vitdense.preflight.classification import check_ranks
from vitdense.preflight.options import TrainOptions
from vitdense.preflight.prepare import prepare_training
from vitdense.preflight.prepared import Prepared

RECIPE = ROOT / 'configs/pretrain/deit_pvt-v2-b0_8xb128-300e_in1k.py'
Folders = dict[str, list[str]]
BOTH: Folders = {'train': ['cat', 'dog'], 'val': ['cat', 'dog']}
PREFIX = 'dataloader.dataset.data_prefix.img_path'


@pytest.fixture
def prepare(tmp_path: Path) -> Callable[..., Prepared]:
    """Prepare a training on folders of two pictures each."""
    import_mmpretrain()

    def run(folders: Folders, fit: bool = True, **more: Any) -> Prepared:
        noise = np.random.default_rng(0).integers(0, 255, (70, 60, 3))
        for split, names in folders.items():
            for name in names:
                folder = tmp_path / 'data' / split / name
                folder.mkdir(parents=True)
                for index in range(2):
                    cv2.imwrite(str(folder / f'{index}.png'), noise)
        settings = {
            f'{split}_dataloader.{key}': value
            for split in ('train', 'val')
            for key, value in {
                'dataset.data_root': str(tmp_path / 'data'),
                'batch_size': 2,
                'num_workers': 0,
                'persistent_workers': False,
            }.items()
        }
        settings['val_evaluator.topk'] = 1
        settings |= {k.replace('__', '.'): v for k, v in more.items()}
        options = TrainOptions(
            config=str(RECIPE),
            work_dir=str(tmp_path / 'work'),
            cfg_options=settings,
            fit_classes=fit,
        )
        try:
            return prepare_training(options)
        finally:
            assert not (tmp_path / 'work').exists()

    return run


def test_the_recipe_takes_a_step(prepare: Callable[..., Prepared]) -> None:
    """Every augmentation, mixup and the repeated images."""
    prepared = prepare(BOTH, train_dataloader__dataset__pipeline__1__scale=64)
    assert prepared.cfg.model.head.num_classes == 2
    assert '4 pictures of' in prepared.summary
    assert '2 classes (cat, dog)' in prepared.summary


@pytest.mark.parametrize(
    ('folders', 'said'),
    [
        (
            {**BOTH, 'val': ['cat', 'hen']},
            rf"val_{PREFIX}: the class 'dog' is in '.*train', but not in '.*"
            "val'",
        ),
        (
            {**BOTH, 'val': ['cat', 'dog', 'hen']},
            rf"val_{PREFIX}: the class 'hen' is in '.*val', but not in '.*"
            "train'",
        ),
        ({'train': ['.'], 'val': ['.']}, f'train_{PREFIX}: no folder of a cl'),
        ({'val': ['cat']}, f"train_{PREFIX}: no folder '.*train'"),
    ],
)
def test_folders_that_do_not_fit(
    prepare: Callable[..., Prepared], folders: Folders, said: str
) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=said):
        prepare(folders)


def test_a_class_without_pictures(
    prepare: Callable[..., Prepared], tmp_path: Path
) -> None:
    (tmp_path / 'data/train/hen').mkdir(parents=True)
    (tmp_path / 'data/train/hen/notes.txt').write_text('none yet')
    folders = {**BOTH, 'val': ['cat', 'dog', 'hen']}
    with pytest.raises(ValueError, match="'hen' has no picture; choose from"):
        prepare(folders)


def test_classes_that_the_head_does_not_have(
    prepare: Callable[..., Prepared],
) -> None:
    with pytest.raises(ValueError, match='num_classes=1000, but train_data'):
        prepare(BOTH, fit=False)


def test_fewer_names_than_folders(prepare: Callable[..., Prepared]) -> None:
    names = {'train_dataloader__dataset__metainfo__classes': ['cat']}
    with pytest.raises(ValueError, match=r'has 2 folders, but .* 1 cl'):
        prepare(BOTH, **names)


def test_no_more_guesses_than_classes() -> None:
    accuracy = {'type': 'Accuracy', 'topk': (1, 5)}
    check_ranks('val', [accuracy, {'type': 'SingleLabelMetric'}], 5)
    with pytest.raises(ValueError, match=r'val_evaluator.topk=\(1, 5\): .* 2'):
        check_ranks('val', [accuracy], 2)
