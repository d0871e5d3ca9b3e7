"""Segments of a panoptic model: mmdet's own, in NumPy and in COCO's format."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from processes import ROOT
from small_runs import small_shapes

import vitdense
from vitdense.predict.drawing import draw
from vitdense.predict.job import Job
from vitdense.predict.results import Detections, Segments

__all__ = ['small_shapes']
CONFIG = ROOT / 'configs/pvt/mask2former_pvt-v2-b2_lsj-50e_coco-panoptic.py'
# random weights are sure of nothing
SMALL = {
    'model.backbone.arch': 'v2-b0',
    'model.panoptic_head.in_channels': [32, 64, 160, 256],
    'model.panoptic_head.num_queries': 40,
    'model.panoptic_head.transformer_decoder.num_layers': 1,
    'model.panoptic_head.pixel_decoder.encoder.num_layers': 1,
    'model.backbone.init_cfg': None,
    'model.test_cfg.object_mask_thr': 0.0,
    'model.test_cfg.iou_thr': 0.0,
    'val_dataloader.dataset.pipeline.1.scale': (128, 128),
    'test_dataloader.dataset.pipeline.1.scale': (128, 128),
}


@pytest.fixture(scope='module')
def files(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Config and checkpoint of a small one with random weights."""
    folder = tmp_path_factory.mktemp('panoptic')
    cfg = Config.fromfile(CONFIG)
    cfg.merge_from_dict(SMALL)
    cfg.dump(folder / 'config.py')
    init_default_scope('mmdet')
    torch.manual_seed(0)
    settings = dict(cfg.model)
    model = MODELS.build(settings)
    torch.save({'state_dict': model.state_dict()}, folder / 'epoch_1.pth')
    return folder / 'config.py', folder / 'epoch_1.pth'


@pytest.fixture
def picture(small_shapes: Path, tmp_path: Path) -> Path:
    image = cv2.imread(str(next(small_shapes.glob('coco/val2017/*'))))
    assert image is not None
    path = tmp_path / 'wide.png'
    cv2.imwrite(str(path), cv2.resize(image, (200, 90)))
    return path


def test_segments(files: Any, picture: Path, tmp_path: Path) -> None:
    from mmdet.apis import inference_detector, init_detector

    predict = vitdense.Predictor(*files, device='cpu')
    assert (predict.task, predict.num_things) == ('panoptic', 80)
    (found,) = predict(picture)
    assert isinstance(found, Segments)
    cfg = Config.fromfile(files[0])
    # which panopticapi would read, and inference has no need of
    steps = cfg.test_dataloader.dataset.pipeline
    assert steps.pop(2).type == 'LoadPanopticAnnotations'
    model = init_detector(cfg, str(files[1]), device='cpu')
    sample = inference_detector(model, str(picture))
    theirs = sample.pred_panoptic_seg.sem_seg.numpy().squeeze()
    assert found.ids.shape == theirs.shape == (90, 200)
    kept = theirs % 1000 < len(found.classes)
    assert (found.ids[~kept] == 0).all()
    assert (found.labels[found.ids[kept] - 1] == theirs[kept] % 1000).all()
    pairs = set(zip(found.ids[kept], theirs[kept], strict=True))
    assert len(pairs) == len(found) == len(set(theirs[kept])) > 2
    assert found.areas.sum() == kept.sum()
    assert found.names == [found.classes[label] for label in found.labels]

    drawn = draw(np.full((90, 200, 3), 128, np.uint8), found)
    assert drawn.shape == (270, 600, 3)
    assert (drawn == 255).all(-1).any()  # lines between segments

    assert (
        Job(files[0], files[1], [str(picture)], tmp_path / 'out').run() == []
    )
    content = json.loads((tmp_path / 'out/panoptic.json').read_text())
    (entry,) = content['annotations']
    png = cv2.imread(str(tmp_path / 'out/panoptic' / entry['file_name']))
    assert png is not None
    assert (png @ np.asarray([1 << 16, 1 << 8, 1]) == found.ids).all()
    segments = entry['segments_info']
    assert [each['id'] for each in segments] == list(range(1, len(found) + 1))
    for each, label in zip(segments, found.labels, strict=True):
        category = content['categories'][label]
        assert category['id'] == each['category_id'] == label + 1
        assert category['isthing'] == (label < 80)
        mask = found.ids == each['id']
        assert each['area'] == mask.sum()
        rows, columns = np.nonzero(mask)
        left, top, width, height = each['bbox']
        assert (left, top) == (columns.min(), rows.min())
        assert left + width - 1 == columns.max()
        assert top + height - 1 == rows.max()
    assert (tmp_path / 'out/pictures/wide.jpg').is_file()


def test_objects_where_they_are_asked_for(files: Any, picture: Path) -> None:
    options = {'model.test_cfg.panoptic_on': False}
    predict = vitdense.Predictor(*files, device='cpu', cfg_options=options)
    (found,) = predict(picture)
    assert predict.task == 'detection'
    assert isinstance(found, Detections)
    assert found.masks is not None


def test_no_tiles(files: Any) -> None:
    with pytest.raises(ValueError, match='tile=64: segments of a panoptic'):
        vitdense.Predictor(*files, device='cpu', tile=64)
