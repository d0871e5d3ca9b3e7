"""Times what tools/benchmark.py accuracy takes on a set as large as val2017.

Generated: 5,000 images with 36,000 objects of 80 classes, and two models of
500,000 detections each.
"""

import argparse
import time
from typing import Any

import numpy as np
from pycocotools.coco import COCO

from vitdense.benchmark.accuracy.compare import compare_models
from vitdense.benchmark.accuracy.detection import match

CLASSES = 80
SIDE_PX = 600
PER_OBJECT = 4  # detections near an object; the others lie anywhere


def truth_of(rng: np.random.Generator, images: int, objects: int) -> COCO:
    """Objects of all sizes, anywhere."""
    sides = np.exp(rng.uniform(np.log(8), np.log(400), (objects, 2)))
    corners = rng.uniform(0, SIDE_PX - sides)
    truth = COCO()
    truth.dataset = {
        'images': [
            {'id': i + 1, 'width': SIDE_PX, 'height': SIDE_PX}
            for i in range(images)
        ],
        'categories': [
            {'id': k + 1, 'name': f'class {k}'} for k in range(CLASSES)
        ],
        'annotations': [
            {
                'id': number + 1,
                'image_id': int(rng.integers(images)) + 1,
                'category_id': int(rng.integers(CLASSES)) + 1,
                'bbox': [*corner.tolist(), *side.tolist()],
                'area': float(side.prod()),
                'iscrowd': 0,
            }
            for number, (corner, side) in enumerate(
                zip(corners, sides, strict=True)
            )
        ],
    }
    truth.createIndex()
    return truth


def results_of(
    rng: np.random.Generator, truth: COCO, detections: int, blur: float
) -> list[dict[str, Any]]:
    """Detections near objects, blurred, and anywhere."""
    objects = truth.dataset['annotations']
    results = []
    for number in range(detections):
        each = objects[int(rng.integers(len(objects)))]
        near = number < PER_OBJECT * len(objects)
        x, y, wide, high = each['bbox']
        shift = rng.normal(0, blur if near else 3.0, 2)
        results.append(
            {
                'image_id': each['image_id'],
                'category_id': each['category_id'],
                'bbox': [x + shift[0] * wide, y + shift[1] * high, wide, high],
                'score': float(
                    rng.beta(3, 3) / (1 + abs(shift).sum()) ** (1 + near)
                ),
            }
        )
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--images', type=int, default=5000)
    parser.add_argument('--objects', type=int, default=36_000)
    parser.add_argument('--detections', type=int, default=500_000)
    parser.add_argument('--resamples', type=int, default=1000)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    truth = truth_of(rng, args.images, args.objects)
    figures = {}
    for name, blur in {'A': 0.15, 'B': 0.17}.items():
        results = results_of(rng, truth, args.detections, blur)
        began_s = time.perf_counter()
        figures[name] = [match(truth, results, 'bbox')]
        took_s = time.perf_counter() - began_s
        print(f'{name}: pycocotools matched in {took_s:.1f} s', flush=True)
    compare_models(figures, 100, 0)  # compiles
    began_s, worked_s = time.perf_counter(), time.process_time()
    comparison = compare_models(figures, args.resamples, 0)
    print(
        f'{args.resamples} paired resamples of {args.images} images: '
        f'{time.perf_counter() - began_s:.1f} s, '
        f'{time.process_time() - worked_s:.1f} s of processor time'
    )
    for each in comparison.models:
        print(
            f'{each.name}: AP {100 * each.values[0]:.2f} '
            f'[{100 * each.low[0]:.2f}, {100 * each.high[0]:.2f}]'
        )


if __name__ == '__main__':
    main()
