"""Types of errors, and the figures of TIDE's reference, tidecv 1.0.1.

The figures are what ``TIDE().evaluate(COCO(truth), COCOResult(results))``
gives, by ``fix_main_errors()`` and ``count_errors()``, in percent.
"""

import copy
import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO

from vitdense.benchmark.accuracy.errors import (
    TYPES,
    Errors,
    find_errors,
    mean_errors,
)

PUBLISHED = {
    'bbox': (
        64.20498881733425,
        (
            22.2460397441685,
            0.22789102370710168,
            0.0,
            0.018972971237033676,
            0.0,
            8.523573787723365,
        ),
        (83, 1, 0, 1, 0, 97),
    ),
    'segm': (
        51.80081155512982,
        (
            16.186000852974452,
            11.600722789458686,
            1.0128509521506288,
            0.0,
            0.2681107488310275,
            7.778639338018046,
        ),
        (76, 82, 7, 0, 4, 109),
    ),
}
PICTURES = (
    14.71548401718639,
    (
        0.5979038354412989,
        7.24488487047524,
        0.0,
        0.0,
        11.60916105495143,
        1.611729777306257,
    ),
    (5, 26, 14, 5, 136, 8),
)


def read_truth(content: dict[str, Any]) -> COCO:
    truth = COCO()
    truth.dataset = copy.deepcopy(content)
    with redirect_stdout(io.StringIO()):
        truth.createIndex()
    return truth


def check(errors: Errors, expected: tuple[Any, ...]) -> None:
    average_precision, gains, counts = expected
    assert 100 * errors.average_precision == pytest.approx(average_precision)
    assert 100 * errors.gains == pytest.approx(gains, rel=1e-9, abs=1e-9)
    assert errors.counts.tolist() == list(counts)


@pytest.mark.parametrize('kind', ['bbox', 'segm'])
def test_figures_of_the_reference(shared: Path, kind: str) -> None:
    """On real pictures, with crowds, and classes that are not there."""
    folder = shared / 'data/coco_eval'
    truth = json.loads((folder / 'instances_val2014_100.json').read_text())
    results = f'instances_val2014_fake{kind}100_results.json'
    found = json.loads((folder / results).read_text())
    check(find_errors(read_truth(truth), found, kind), PUBLISHED[kind])


def pictures() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Of all that may be: crowds, equal scores, more than 100 detections,
    pictures without them or without objects, a class without objects."""
    rng = np.random.default_rng(5)
    truth: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []

    def detect(image: int, label: int, box: Any) -> None:
        score = round(float(rng.random()), 1 + image % 4)
        results.append(
            {
                'image_id': image,
                'category_id': label,
                'bbox': np.round(box, 2).tolist(),
                'score': score,
            }
        )

    for image in range(1, 26):
        for _ in range(rng.integers(0, 5) * (image != 3)):
            box = np.array([*rng.uniform(0, 60, 2), *rng.uniform(9, 40, 2)])
            label = int(rng.integers(1, 4))
            truth.append(
                {
                    'id': len(truth) + 1,
                    'image_id': image,
                    'category_id': label,
                    'bbox': np.round(box, 2).tolist(),
                    'area': float(box[2] * box[3]),
                    'segmentation': [[0, 0, 9, 0, 9, 9, 0, 9]],
                    'iscrowd': int(rng.random() < 0.15),
                }
            )
            for _ in range(rng.integers(0, 4) * (image != 4)):
                shift = rng.normal(0, rng.choice([0.05, 0.3]), 4)
                moved = box + shift * box[[2, 3, 2, 3]]
                moved[2:] = np.maximum(moved[2:], 2)
                is_other = rng.random() < 0.3
                detect(
                    *(image, int(rng.integers(1, 5)) if is_other else label),
                    moved,
                )
        for _ in range(120 if image == 7 else rng.integers(image != 4, 3)):
            box = np.array([*rng.uniform(0, 60, 2), *rng.uniform(9, 40, 2)])
            detect(image, int(rng.integers(1, 5)), box)
    return {
        'images': [
            {'id': each, 'width': 120, 'height': 120, 'file_name': f'{each}'}
            for each in range(1, 26)
        ],
        'categories': [{'id': k, 'name': f'{k}'} for k in range(1, 5)],
        'annotations': truth,
    }, results


def test_figures_of_the_reference_on_all_that_may_be() -> None:
    truth, results = pictures()
    check(find_errors(read_truth(truth), results, 'bbox'), PICTURES)


def test_every_type() -> None:
    """One detection of each, and an object that none stands for."""
    boxes = {1: [0, 0, 10, 10], 2: [100, 0, 10, 10], 3: [200, 0, 10, 10]}
    boxes[4] = [300, 0, 10, 10]
    truth = {
        'images': [{'id': 1, 'width': 500, 'height': 50}],
        'categories': [{'id': 1, 'name': 'a'}, {'id': 2, 'name': 'b'}],
        'annotations': [
            {
                'id': number,
                'image_id': 1,
                'category_id': 1,
                'bbox': box,
                'area': 100,
                'iscrowd': 0,
            }
            for number, box in boxes.items()
        ],
    }
    found = {
        'hit': (1, boxes[1]),
        'dupe': (1, boxes[1]),
        'cls': (2, boxes[2]),
        'loc': (1, [206, 0, 10, 10]),
        'both': (2, [306, 0, 10, 10]),
        'bkg': (1, [400, 0, 10, 10]),
    }
    results = [
        {
            'image_id': 1,
            'category_id': label,
            'bbox': box,
            'score': 0.9 - k / 9,
        }
        for k, (label, box) in enumerate(found.values())
    ]
    errors = find_errors(read_truth(truth), results, 'bbox')
    counts = dict(zip(TYPES, errors.counts, strict=True))
    assert counts == dict.fromkeys(TYPES, 1)
    (mean,) = mean_errors([[errors], [errors]])
    assert mean.gains.tolist() == errors.gains.tolist()


def test_nothing_found() -> None:
    truth, _ = pictures()
    errors = find_errors(read_truth(truth), [], 'bbox')
    objects = sum(not each['iscrowd'] for each in truth['annotations'])
    assert errors.counts.tolist() == [0, 0, 0, 0, 0, objects]
    assert errors.average_precision == 0
