from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import DATASETS, DefaultScope
from small_runs import FEW

import vitdense  # noqa: F401 - before mmseg, as our tools do
from vitdense.datasets import shapes

ROOT = Path(__file__).resolve().parents[2]


def test_shapes_are_made_at_first_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for split, number in FEW.items():
        monkeypatch.setitem(shapes.IMAGES, split, number)
    cfg = Config.fromfile(
        ROOT / 'configs/_base_/datasets/shapes_segmentation.py'
    )
    cfg.val_dataloader.dataset.data_root = str(tmp_path / 'shapes')
    with DefaultScope.overwrite_default_scope('mmseg'):
        data = DATASETS.build(cfg.val_dataloader.dataset)
        assert len(data) == FEW['val2017']
        labels = data[0]['data_samples'].gt_sem_seg.data
    classes = data.metainfo['classes']
    assert classes == ('ground', *shapes.CLASSES)
    assert labels.shape == (1, 128, 128)
    # reduce_zero_label: the ground is 0, and nothing is unlabelled
    assert 0 in labels
    assert labels.max() < len(classes)
