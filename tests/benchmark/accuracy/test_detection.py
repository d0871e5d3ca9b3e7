"""COCO's figures of detections, for images that count several times."""

import copy
import io
import json
import re
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from vitdense.benchmark.accuracy.average_precision import curves
from vitdense.benchmark.accuracy.detection import (
    AREAS,
    DetectionFigures,
    match,
)


def read_truth(content: dict[str, Any]) -> COCO:
    truth = COCO()
    truth.dataset = copy.deepcopy(content)
    with redirect_stdout(io.StringIO()):
        truth.createIndex()
    return truth


def cocos(
    content: dict[str, Any], results: list[dict[str, Any]], kind: str
) -> COCOeval:
    truth = read_truth(content)
    with redirect_stdout(io.StringIO()):
        found = truth.loadRes(copy.deepcopy(results))
        scorer = COCOeval(truth, found, kind)
        scorer.evaluate()
        scorer.accumulate()
        scorer.summarize()
    return scorer


@pytest.fixture(scope='module')
def truth(shared: Path) -> dict[str, Any]:
    """Of real pictures; with crowds, and pictures of nothing."""
    path = shared / 'data/coco_eval/instances_val2014_100.json'
    content: dict[str, Any] = json.loads(path.read_text())
    assert any(each['iscrowd'] for each in content['annotations'])
    empty = {each['id'] for each in content['images'][:3]}
    content['annotations'] = [
        each
        for each in content['annotations']
        if each['image_id'] not in empty
    ]
    return content


@pytest.fixture(scope='module', params=['bbox', 'segm'])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope='module')
def results(shared: Path, kind: str) -> list[dict[str, Any]]:
    name = f'instances_val2014_fake{kind}100_results.json'
    content: list[dict[str, Any]] = json.loads(
        (shared / 'data/coco_eval' / name).read_text()
    )
    return content


def test_cocos_published_figures(
    shared: Path, results: list[dict[str, Any]], kind: str
) -> None:
    """All twelve, to the three decimals that are printed."""
    folder = shared / 'data/coco_eval'
    text = (folder / 'val2014_fake_eval_res.txt').read_text()
    part = text.partition(f'type={kind}')[2].partition('type=')[0]
    published = re.findall(r'= (0\.\d{3})$', part, re.MULTILINE)
    content = json.loads((folder / 'instances_val2014_100.json').read_text())
    figures = match(read_truth(content), results, kind)
    assert [f'{each:.3f}' for each in figures.values()[:12]] == published


def test_equal_to_pycocotools(
    truth: dict[str, Any], results: list[dict[str, Any]], kind: str
) -> None:
    """Precisions, recalls and figures, to the last bit."""
    scorer = cocos(truth, results, kind)
    figures = match(read_truth(truth), results, kind)
    assert figures.values()[:12].tolist() == scorer.stats.tolist()
    ones = np.ones(len(figures.images), np.int64)
    classes = len(figures.classes)
    for index, most in enumerate(scorer.params.maxDets):
        precision, recall = curves(figures.matches, ones, np.array([most]))
        precision = precision.reshape(classes, len(AREAS), 10, 101)
        expected = scorer.eval['precision'][..., index]
        assert (precision.transpose(2, 3, 0, 1) == expected).all()
        recall = recall[:, 0].reshape(classes, len(AREAS), 10)
        expected = scorer.eval['recall'][..., index]
        assert (recall.transpose(2, 0, 1) == expected).all()


def test_a_weight_is_so_many_images(
    truth: dict[str, Any], results: list[dict[str, Any]], kind: str
) -> None:
    """Counted twice is what pycocotools gives for an image and its copy."""
    # of equal scores in one image, either may be seen first
    results = [
        {**each, 'score': each['score'] + 1e-7 * number}
        for number, each in enumerate(results)
    ]
    figures = match(read_truth(truth), results, kind)
    weights = np.random.default_rng(0).integers(0, 4, (2, len(figures.images)))
    for row, figure in zip(weights, figures.resampled(weights), strict=True):
        times = dict(zip(figures.images, row.tolist(), strict=True))
        drawn = copied(truth, times)
        scorer = cocos(drawn, copies(results, times), kind)
        np.testing.assert_allclose(figure[:12], scorer.stats, rtol=1e-12)


def copied(truth: dict[str, Any], times: dict[int, int]) -> dict[str, Any]:
    """Each image so often, under ids of its own."""
    annotations = copies(truth['annotations'], times)
    for number, each in enumerate(annotations, 1):
        each['id'] = number
    images = [
        {**each, 'id': each['id'] * 10 + copy_number}
        for each in truth['images']
        for copy_number in range(times[each['id']])
    ]
    return {**truth, 'images': images, 'annotations': annotations}


def copies(
    entries: list[dict[str, Any]], times: dict[int, int]
) -> list[dict[str, Any]]:
    return [
        {**each, 'image_id': each['image_id'] * 10 + copy_number}
        for each in entries
        for copy_number in range(times[each['image_id']])
    ]


def test_classes_that_are_not_there_have_no_figure() -> None:
    content = {
        'images': [{'id': 1, 'width': 9, 'height': 9}],
        'categories': [{'id': 1, 'name': 'a'}, {'id': 2, 'name': 'b'}],
        'annotations': [
            {
                'id': 1,
                'image_id': 1,
                'category_id': 2,
                'iscrowd': 0,
                'bbox': [0, 0, 4, 4],
                'area': 16,
            }
        ],
    }
    found = [
        {'image_id': 1, 'category_id': 2, 'bbox': [0, 0, 4, 4], 'score': 0.5}
    ]
    figures: DetectionFigures = match(read_truth(content), found, 'bbox')
    values = dict(zip(figures.names, figures.values(), strict=True))
    assert values['box AP'] == values['box AP: b'] == pytest.approx(1)
    assert np.isnan(values['box AP: a'])
    assert np.isnan(values['box APl'])
    drawn = figures.resampled(np.array([[1], [0]]))
    assert drawn[0, 0] == pytest.approx(1)
    assert np.isnan(drawn[1]).all()
