import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.registry import DATASETS, DefaultScope
from small_runs import FEW

import vitdense  # noqa: F401 - before mmdet, as our tools do
from vitdense.datasets import shapes

ROOT = Path(__file__).resolve().parents[2]
FIGURES = ['mAP', 'mAP_50', 'mAP_75', 'mAP_s', 'mAP_m', 'mAP_l']
FIGURES += ['AR@1', 'AR@10', 'AR@100', 'AR_s@100', 'AR_m@100', 'AR_l@100']


def published(folder: Path, kind: str) -> dict[str, float]:
    """The twelve figures of COCO's own result file."""
    text = (folder / 'val2014_fake_eval_res.txt').read_text()
    section = text.split(f'type={kind}')[1].split('-----')[0]
    figures = [float(f) for f in re.findall(r'\] = (\d\.\d+)', section)]
    return {
        f'coco/{kind}_{name}': figure
        for name, figure in zip(FIGURES, figures, strict=True)
    }


def as_samples(
    folder: Path, kind: str, classes: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Detections of a COCO result file as a detector would give them."""
    truth = json.loads((folder / 'instances_val2014_100.json').read_text())
    names = {c['id']: c['name'] for c in truth['categories']}
    results = json.loads(
        (folder / f'instances_val2014_fake{kind}100_results.json').read_text()
    )
    samples = []
    for image in truth['images']:
        mine = [r for r in results if r['image_id'] == image['id']]
        boxes = np.array([r.get('bbox', [0] * 4) for r in mine], np.float64)
        boxes = boxes.reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        labels = [classes.index(names[r['category_id']]) for r in mine]
        instances: dict[str, Any] = {
            'bboxes': torch.from_numpy(boxes),
            'scores': torch.tensor([r['score'] for r in mine]),
            'labels': torch.tensor(labels, dtype=torch.long),
        }
        if kind == 'segm':
            instances['masks'] = [r['segmentation'] for r in mine]
        samples.append(
            {
                'img_id': image['id'],
                'ori_shape': (image['height'], image['width']),
                'pred_instances': instances,
            }
        )
    return samples


@pytest.mark.parametrize('kind', ['bbox', 'segm'])
def test_cocos_published_figures(shared: Path, kind: str) -> None:
    from mmdet.datasets import CocoDataset

    folder = shared / 'data' / 'coco_eval'
    cfg = Config.fromfile(
        ROOT / 'configs/pvt/mask-rcnn_pvt-tiny_fpn_1x_coco.py'
    ).test_evaluator
    assert kind in cfg.metric
    cfg.metric = kind
    cfg.ann_file = str(folder / 'instances_val2014_100.json')
    evaluator = Evaluator(cfg)
    evaluator.dataset_meta = CocoDataset.METAINFO
    samples = as_samples(folder, kind, CocoDataset.METAINFO['classes'])
    evaluator.process(samples)
    figures = evaluator.evaluate(len(samples))
    assert figures == published(folder, kind)


def test_shapes_are_made_at_first_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for split, number in FEW.items():
        monkeypatch.setitem(shapes.IMAGES, split, number)
    cfg = Config.fromfile(ROOT / 'configs/_base_/datasets/shapes_instance.py')
    cfg.train_dataloader.dataset.data_root = str(tmp_path / 'shapes')
    with DefaultScope.overwrite_default_scope('mmdet'):
        data = DATASETS.build(cfg.train_dataloader.dataset)
        assert data.metainfo['classes'] == shapes.CLASSES
        assert len(data) == FEW['train2017']
        sample = data[0]['data_samples'].gt_instances
    masks = sample.masks.to_ndarray()
    assert masks.shape == (len(sample.bboxes), 128, 128)
    left, top, right, bottom = sample.bboxes.tensor[0].int()
    assert masks[0, top:bottom, left:right].sum() == masks[0].sum() > 0
