"""hotcoco scores where it equals pycocotools, and there alone."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.registry import DefaultScope
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import vitdense  # noqa: F401 - before mmdet, as our tools do
from vitdense.datasets import coco_scorer
from vitdense.datasets.coco_scorer import ARRAYS, CheckedCOCOeval

Loaded = tuple[COCO, COCO, str]
# of the eighty classes; scoring takes as long as there are classes
FEW = 12
SETTINGS = (
    {'maxDets': [1, 10, 100]},
    {'maxDets': [1000, 100, 300]},
    {'maxDets': [1, 3], 'useCats': 0, 'iouThrs': np.array([0.5, 0.8])},
)


@pytest.fixture(scope='module', params=['bbox', 'segm'])
def loaded(shared: Path, request: pytest.FixtureRequest) -> Loaded:
    """Truth of real pictures, with crowds and pictures of nothing, results
    in some of them, and what they are scored by."""
    folder = shared / 'data/coco_eval'
    content = json.loads((folder / 'instances_val2014_100.json').read_text())
    found = f'instances_val2014_fake{request.param}100_results.json'
    results = json.loads((folder / found).read_text())
    content['categories'] = content['categories'][:FEW]
    classes = {each['id'] for each in content['categories']}
    empty = {each['id'] for each in content['images'][:3]}
    unseen = {each['id'] for each in content['images'][2:5]}
    content['annotations'] = [
        # pycocotools overwrites this one
        {**each, 'ignore': 1}
        for each in content['annotations']
        if each['category_id'] in classes and each['image_id'] not in empty
    ]
    assert {each['iscrowd'] for each in content['annotations']} == {0, 1}
    results = [
        each
        for each in results
        if each['category_id'] in classes and each['image_id'] not in unseen
    ]
    return read(content), read(content, results), request.param


def read(
    content: dict[str, Any], results: list[dict[str, Any]] | None = None
) -> COCO:
    coco = COCO()
    coco.dataset = copy.deepcopy(content)
    coco.createIndex()
    return coco if results is None else coco.loadRes(copy.deepcopy(results))


def scored(kind: type[COCOeval], loaded: Loaded, **settings: Any) -> COCOeval:
    scorer = kind(*copy.deepcopy(loaded))
    vars(scorer.params).update(copy.deepcopy(settings))
    scorer.evaluate()
    scorer.accumulate()
    return scorer


@pytest.mark.parametrize('settings', SETTINGS)
def test_equal_to_the_bit(loaded: Loaded, settings: dict[str, Any]) -> None:
    ours = scored(CheckedCOCOeval, loaded, **settings)
    theirs = scored(COCOeval, loaded, **settings)
    assert not ours.evalImgs  # hotcoco scored
    for name in ARRAYS:
        assert np.array_equal(ours.eval[name], theirs.eval[name])
    assert ours.eval['counts'] == theirs.eval['counts'][:2] + list(
        ours.eval['precision'].shape[2:]
    )
    assert ours.params.catIds == theirs.params.catIds
    assert ours.params.maxDets == theirs.params.maxDets
    if len(ours.params.maxDets) == 3:
        ours.summarize()
        theirs.summarize()
        assert np.array_equal(ours.stats, theirs.stats)


def missing(monkeypatch: pytest.MonkeyPatch, _: Loaded) -> str:
    monkeypatch.setattr(coco_scorer, 'find_spec', lambda _: None)
    return 'pycocotools: hotcoco, the extra fast, is not installed'


def different(monkeypatch: pytest.MonkeyPatch, _: Loaded) -> str:
    original = coco_scorer.hotcoco_arrays

    def nearly(*args: Any) -> dict[str, Any]:
        arrays = original(*args)
        return {**arrays, 'recall': np.nextafter(arrays['recall'], 2)}

    monkeypatch.setattr(coco_scorer, 'hotcoco_arrays', nearly)
    return 'has another recall on 100 of 100 images'


def unreadable(monkeypatch: pytest.MonkeyPatch, _: Loaded) -> str:
    import hotcoco

    def refuse(_: Any) -> None:
        raise TypeError("'a' is no integer")

    monkeypatch.setattr(hotcoco, 'COCO', refuse)
    return "cannot read the data ('a' is no integer)"


def of_id_0(monkeypatch: pytest.MonkeyPatch, loaded: Loaded) -> str:
    monkeypatch.setitem(loaded[0].anns, 0, {'id': 0})
    return 'an object has the id 0, which to pycocotools is no object'


@pytest.mark.parametrize('break_it', [missing, different, unreadable, of_id_0])
def test_else_pycocotools_scores(
    loaded: Loaded,
    break_it: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reason = break_it(monkeypatch, loaded)
    said = []
    monkeypatch.setattr(
        coco_scorer, 'print_log', lambda text, _: said.append(text)
    )
    ours = scored(CheckedCOCOeval, loaded)
    theirs = scored(COCOeval, loaded)
    assert len(said) == 1
    assert said[0].startswith(f'COCO scores ({loaded[2]}) by pycocotools: ')
    assert reason.removeprefix('pycocotools: ') in said[0]
    assert len(ours.evalImgs) == len(theirs.evalImgs)
    for name in ARRAYS:
        assert np.array_equal(ours.eval[name], theirs.eval[name])


def test_settled_once_for_a_truth(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On an evenly spread part of many images."""
    monkeypatch.setattr(coco_scorer, 'COMPARED', 30)
    said = []
    monkeypatch.setattr(
        coco_scorer, 'print_log', lambda text, _: said.append(text)
    )
    for _ in range(2):
        scorer = CheckedCOCOeval(*loaded)
        scorer.params.maxDets = [2, 5, 9]  # of no other test
        scorer.evaluate()
        scorer.accumulate()
    (line,) = said
    assert 'by hotcoco: hotcoco' in line
    assert line.endswith('equals pycocotools to the bit on 25 of 100 images')
    with pytest.raises(ValueError, match='other parameters than those of'):
        scorer.accumulate(COCOeval().params)


def predictions(truth: COCO, classes: list[int]) -> list[dict[str, Any]]:
    """Objects of some classes, moved and sometimes misnamed, as a detector
    would give them."""
    rng = np.random.default_rng(0)
    samples = []
    for image in truth.imgs.values():
        objects = [
            each
            for each in truth.imgToAnns[image['id']]
            if each['category_id'] in classes
        ]
        boxes = np.array([each['bbox'] for each in objects]).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        labels = [classes.index(each['category_id']) for each in objects]
        others = rng.integers(len(classes), size=len(objects))
        is_right = rng.random(len(objects)) < 0.8
        masks = [truth.annToRLE(each) for each in rng.permutation(objects)]
        moved = boxes + rng.normal(0, 4, boxes.shape)
        samples.append(
            {
                'img_id': image['id'],
                'ori_shape': (image['height'], image['width']),
                'pred_instances': {
                    'bboxes': torch.tensor(moved),
                    'scores': torch.tensor(rng.random(len(objects)).round(2)),
                    'labels': torch.tensor(np.where(is_right, labels, others)),
                    'masks': masks,
                },
            }
        )
    return samples


@pytest.mark.parametrize('kind', ['CocoMetric', 'mmdet.CocoMetric'])
def test_metrics_of_mmdet(
    shared: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Equal with and without, on a real data set, in all that it reports."""
    path = shared / 'data/coco_tiny/annotations/instances_val2017.json'
    truth = COCO(str(path))
    names = {each['id']: each['name'] for each in truth.dataset['categories']}
    classes = sorted(names)[:FEW]
    said: list[str] = []
    monkeypatch.setattr(
        coco_scorer, 'print_log', lambda text, _: said.append(text)
    )
    figures = []
    for find in (coco_scorer.find_spec, lambda _: None):
        monkeypatch.setattr(coco_scorer, 'find_spec', find)
        settings = {
            'type': kind,
            'ann_file': str(path),
            'metric': ['bbox', 'segm', 'proposal'],
            'classwise': True,
        }
        with DefaultScope.overwrite_default_scope('vitdense'):
            evaluator = Evaluator(settings)
        evaluator.dataset_meta = {'classes': [names[k] for k in classes]}
        samples = predictions(truth, classes)
        evaluator.process(samples)
        figures.append(evaluator.evaluate(len(samples)))
    assert str(figures[0]) == str(figures[1])
    assert figures[0]['coco/bbox_mAP'] > 0.1
    fast, slow = said[:3], said[3:]
    assert all('to the bit on 80 of 80 images' in line for line in fast)
    assert all('by pycocotools: hotcoco, the' in line for line in slow)
    assert len(fast) == len(slow) == 3
