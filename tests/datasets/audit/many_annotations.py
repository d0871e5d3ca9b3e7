"""Writes a COCO file of many annotations, to time checks of it with.

python tests/datasets/audit/many_annotations.py FILE
100,000 annotations on 13,700 images of 640 x 480, as many to an image as in
COCO: polygons of 8 to 60 points, a tenth of two parts, a hundredth crowds.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask

HEIGHT, WIDTH = 480, 640
ANNOTATIONS = 100_000
IMAGES = 13_700
CATEGORIES = 80


def outline(rng: np.random.Generator) -> np.ndarray:
    """A blob within the image, ``(points, 2)``."""
    points = int(rng.integers(8, 61))
    reach = 8 + 100 * rng.random() ** 2
    centre = rng.uniform(reach, (WIDTH - reach, HEIGHT - reach))
    angles = np.sort(rng.uniform(0, 2 * np.pi, points))
    radii = reach * rng.uniform(0.6, 1, points)
    around = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return (centre + radii[:, None] * around).round(2)


def crowd() -> tuple[dict[str, Any], list[int], int]:
    """Run lengths of the middle of an image, their box and area."""
    side, rows = WIDTH // 2, HEIGHT // 2
    counts = [HEIGHT * side // 2 + rows // 2]
    counts += [rows, HEIGHT - rows] * side
    counts[-1] = HEIGHT * WIDTH - sum(counts[:-1])
    segmentation = {'size': [HEIGHT, WIDTH], 'counts': counts}
    return segmentation, [side // 2, rows // 2, side, rows], side * rows


def annotation(rng: np.random.Generator, number: int) -> dict[str, Any]:
    """One annotation without faults."""
    segmentation: Any
    is_crowd = int(rng.random() < 0.01)
    if is_crowd:
        segmentation, box, area = crowd()
    else:
        parts = [outline(rng) for _ in range(1 + (rng.random() < 0.1))]
        corners = np.concatenate(parts)
        low, high = corners.min(0), corners.max(0)
        box = [*low.tolist(), *(high - low).round(2).tolist()]
        segmentation = [part.ravel().tolist() for part in parts]
        pixels = mask.frPyObjects(segmentation, HEIGHT, WIDTH)
        area = int(mask.area(mask.merge(pixels)))
    return {
        'id': number,
        'image_id': int(rng.integers(IMAGES)),
        'category_id': 1 + int(rng.integers(CATEGORIES)),
        'iscrowd': is_crowd,
        'bbox': box,
        'area': area,
        'segmentation': segmentation,
    }


def content(annotations: int) -> dict[str, Any]:
    """A whole file."""
    rng = np.random.default_rng(0)
    return {
        'images': [
            {
                'id': number,
                'file_name': f'{number:012}.jpg',
                'height': HEIGHT,
                'width': WIDTH,
            }
            for number in range(IMAGES)
        ],
        'categories': [
            {'id': 1 + number, 'name': f'thing {number}'}
            for number in range(CATEGORIES)
        ],
        'annotations': [
            annotation(rng, 1 + number) for number in range(annotations)
        ],
    }


if __name__ == '__main__':
    Path(sys.argv[1]).write_text(json.dumps(content(ANNOTATIONS)))
