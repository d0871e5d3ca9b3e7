"""Any annotation file is read whole, or refused with one clear error."""

import copy
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from mmengine.config import Config
from mmengine.registry import DATASETS, METRICS, init_default_scope
from tried import few, many

from vitdense.preflight.cli import nothing_shown
from vitdense.preflight.data import check_files, check_folders, open_sources
from vitdense.preflight.rehearsal import no_traces

CLASSES = ['cat', 'dog']
SIDE = 24  # pixels
SQUARE = [2, 2, 12, 2, 12, 12, 2, 12]
RLE = {'size': [SIDE, SIDE], 'counts': [30, 6, SIDE * SIDE - 36]}


def annotation(number: int, **fields: Any) -> dict[str, Any]:
    return {
        'id': number,
        'image_id': 1,
        'category_id': 3,
        'bbox': [2, 2, 10, 10.5],
        'area': 100,
        'iscrowd': 0,
        'segmentation': [SQUARE],
        **fields,
    }


WHOLE = {
    'info': {},
    'images': [
        {'id': n, 'file_name': f'{n}.png', 'width': SIDE, 'height': SIDE}
        for n in (1, 2)
    ],
    'categories': [{'id': 3, 'name': 'cat'}, {'id': 7, 'name': 'dog'}],
    'annotations': [
        annotation(10),
        annotation(11, image_id=2, category_id=7),
        annotation(12, iscrowd=1, segmentation=RLE),
    ],
}
# What stands in a user's file where something else should.
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, 2, 3, -1, 0.5, 1e12, 10**30, 5000),
    *(math.nan, math.inf, -math.inf, '', 'cat', 'dog', 'bird', '1', '1.png'),
    *([], {}, [1], [1, 2, 3, 4], [0, 0, 0, 0], [-5, -5, 3, 3], ['1'] * 4),
    *([SQUARE[:5]], [SQUARE[:4]], [[]], [SQUARE, []], [[math.nan] * 6]),
    *([[1e6] * 8], SQUARE, [{'x': 1}], RLE, {'size': [SIDE, SIDE]}),
    *({**RLE, 'counts': [1]}, {**RLE, 'counts': 3}, {**RLE, 'size': [1, 2]}),
)


def places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every container of a tree with a key that it has."""
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in items:
        yield node, key
        if isinstance(value, dict | list):
            yield from places(value)


@st.composite
def broken(draw: Callable) -> dict[str, Any]:
    """A whole file with a few changes anywhere."""
    content = copy.deepcopy(WHOLE)
    for _ in range(draw(st.integers(0, 3))):
        found = list(places(content))
        node, key = found[draw(st.integers(0, len(found) - 1))]
        change = draw(st.sampled_from(['set', 'set', 'delete', 'repeat']))
        if change == 'set':
            node[key] = copy.deepcopy(draw(st.sampled_from(ODD)))
        elif change == 'delete':
            del node[key]
        elif isinstance(node, list):
            node.insert(draw(st.integers(0, key)), copy.deepcopy(node[key]))
        else:
            node[f'{key}s'] = node.pop(key)
    return content


@pytest.fixture(scope='module')
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two pictures, with room for annotations."""
    folder = tmp_path_factory.mktemp('any')
    for number in (1, 2):
        picture = np.zeros((SIDE, SIDE, 3))
        cv2.imwrite(str(folder / f'{number}.png'), picture)
    return folder


def settings_of(root: Path) -> Config:
    loads = dict(type='LoadAnnotations', with_bbox=True, with_mask=True)
    data = dict(
        type='CocoDataset',
        data_root=str(root),
        ann_file='a.json',
        data_prefix=dict(img=''),
        metainfo=dict(classes=CLASSES),
        serialize_data=False,  # it collects all garbage of the process
        pipeline=[
            dict(type='LoadImageFromFile'),
            loads,
            dict(type='PackDetInputs', meta_keys=('img_id', 'ori_shape')),
        ],
    )
    return Config(
        dict(
            train_dataloader=dict(dataset=data),
            val_dataloader=dict(dataset=dict(data, test_mode=True)),
            val_evaluator=dict(
                type='vitdense.CocoMetric',
                ann_file=str(root / 'a.json'),
                metric=['bbox', 'segm'],
            ),
        )
    )


def read_all(cfg: Config, content: dict[str, Any]) -> None:
    """Everything that a training and its evaluation read of it."""
    data = [cfg.train_dataloader.dataset, cfg.val_dataloader.dataset]
    train, val = map(DATASETS.build, data)
    for dataset in (train, val):
        names = {each['id']: each['name'] for each in content['categories']}
        labels = {names[n]: label for n, label in dataset.cat2label.items()}
        assert labels == {'cat': 0, 'dog': 1}
    for sample in (*train, *val):
        truth = sample['data_samples'].gt_instances
        assert truth.bboxes.tensor.isfinite().all()
        assert truth.labels.lt(len(CLASSES)).all()
        assert len(truth.masks) == len(truth.labels)
    metric = METRICS.build(cfg.val_evaluator)
    metric.dataset_meta = val.metainfo
    for sample in val:
        found = dict(
            bboxes=torch.tensor([[2.0, 2, 12, 12]]),
            scores=torch.ones(1),
            labels=torch.zeros(1, dtype=torch.long),
            masks=torch.ones(1, SIDE, SIDE, dtype=torch.bool),
        )
        info = sample['data_samples'].metainfo
        metric.process({}, [dict(info, pred_instances=found)])
    figures = metric.evaluate(len(val))
    assert {'coco/bbox_mAP', 'coco/segm_mAP'} <= figures.keys()


def refusal(cfg: Config) -> str | None:
    """What the preflight has against the files."""
    splits = ['train', 'val']
    try:
        sources = open_sources(cfg, splits)
        check_folders(sources)
        check_files(cfg, splits, sources)
    except (ValueError, FileNotFoundError) as error:
        return str(error)
    return None


def check_file(root: Path, case: dict[str, Any]) -> None:
    path = root / 'a.json'
    path.write_text(json.dumps(case))
    cfg = settings_of(root)
    with nothing_shown(), no_traces():
        init_default_scope('mmdet')
        said = refusal(cfg)
        if said is None:
            read_all(cfg, case)
        else:
            assert 'ann_file: ' in said
            assert repr(str(path)) in said


test_a_few_files = few(check_file, broken(), 15)
test_many_files = many(check_file, broken(), 350)
