"""A page of made detections, and one of made label maps."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from vitdense.benchmark.accuracy.compare import compare_models
from vitdense.benchmark.accuracy.model_run import ModelRun
from vitdense.benchmark.accuracy.runs import read_figures
from vitdense.benchmark.cost.measure import CostRow
from vitdense.benchmark.cost.settings import Settings
from vitdense.benchmark.page.write import write_page

# what users may call things
EVIL = '<script>alert(1)</script>'
MODEL = '</script><b>&amp;</b>'
CLASSES = ('cat', EVIL, 'dog')
FILE = 'a&<b>.jpg'
IMAGES = 6
SIDE = 96


def make_truth(folder: Path) -> Path:
    """Pictures of two objects each, and what they show."""
    rng = np.random.default_rng(0)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number in range(1, IMAGES + 1):
        name = FILE if number == 1 else f'{number}.jpg'
        pixels = rng.integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)
        encoded = cv2.imencode('.jpg', pixels)[1].tobytes()
        (folder / name).write_bytes(encoded)
        images.append(
            {'id': number, 'file_name': name, 'width': SIDE, 'height': SIDE}
        )
        for k in range(2):
            box = [5 + 45 * k, 10 + number, 30, 30]
            annotations.append(
                {
                    'id': len(annotations) + 1,
                    'image_id': number,
                    'category_id': (number + k) % len(CLASSES) + 1,
                    'bbox': box,
                    'area': 900,
                    'iscrowd': 0,
                }
            )
    content = {
        'images': images,
        'annotations': annotations,
        'categories': [
            {'id': k, 'name': name} for k, name in enumerate(CLASSES, 1)
        ],
    }
    path = folder / 'truth.json'
    path.write_text(json.dumps(content))
    return path


def results(truth: Path, **changes: Callable[[dict, int], bool]) -> list[Any]:
    """All objects, but not those that ``left_out`` says."""
    left_out = changes.get('left_out', lambda one, place: False)
    return [
        {
            **{key: each[key] for key in ('image_id', 'category_id', 'bbox')},
            'score': 0.9 - 0.01 * place,
        }
        for place, each in enumerate(
            json.loads(truth.read_text())['annotations']
        )
        if not left_out(each, place)
    ]


@pytest.fixture(scope='module')
def runs(
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, list[ModelRun]]:
    """Three detectors: one of evil name, one that misses the first image."""
    folder = tmp_path_factory.mktemp('detections')
    truth = make_truth(folder)
    found = {
        'all': results(truth),
        MODEL: results(truth, left_out=lambda one, _: one['image_id'] == 1),
        'half': results(truth, left_out=lambda _, place: place % 2 == 0),
    }
    # something that is not there, where all else is right
    found['half'].append({**found['half'][0], 'bbox': [0, 80, 9, 9]})
    runs = {}
    for number, (name, detections) in enumerate(found.items()):
        path = folder / f'{number}.json'
        path.write_text(json.dumps(detections))
        runs[name] = [
            ModelRun(
                *(name, path, truth, folder),
                config=f'a = 1\nb = {number}\n',
                checkpoint=Path(f'{EVIL}.pth'),
                sha256=f'{number}' * 64,
                versions={'torch': '2.0'},
                curves=tuple((s, 'loss', 1 / (s + 1)) for s in range(9)),
            )
        ]
    return runs


@pytest.fixture(scope='module')
def write(runs: dict[str, list[ModelRun]]) -> Callable[..., None]:
    """Write the page of these detectors."""
    figures = read_figures(runs)
    comparison = compare_models(figures, 1000, 0)
    costs = {
        name: CostRow(
            *(name, Settings(), {'forward': [0.1 * k, 0.1 * k]}),
            parameters=1_000_000 * k,
            macs=1e9 * k,
            peak_bytes=k << 30,
        )
        for k, name in enumerate(runs, 1)
    }
    about = {'command': EVIL}

    def write(path: Path, **options: Any) -> None:
        write_page(*(path, comparison, figures, runs, costs, about), **options)

    return write


@pytest.fixture(scope='module')
def write_label_maps(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., None]:
    """Write the page of two segmenters, with the pictures if asked."""
    folder = tmp_path_factory.mktemp('maps')
    rng = np.random.default_rng(0)
    for name in ('truth', 'right', 'wrong', 'pictures'):
        (folder / name).mkdir()
    for number in range(3):
        labels = rng.integers(0, 2, (4, 6), dtype=np.uint8)
        labels[0, 0] = 255
        half = labels.copy()
        half[:, : 2 * number] = 2  # a class that is nowhere
        for name in ('truth', 'right', 'wrong'):
            said = half if name == 'wrong' else labels
            said = np.where((said == 255) & (name != 'truth'), 0, said)
            pixels = np.kron(said, np.ones((20, 20), np.uint8))
            cv2.imwrite(str(folder / name / f'p{number}.png'), pixels)
        picture = rng.integers(0, 255, (80, 120, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / 'pictures' / f'p{number}.jpg'), picture)
    models = {
        name: [
            ModelRun(name, folder / name, folder / 'truth', classes=CLASSES)
        ]
        for name in ('right', 'wrong')
    }
    figures = read_figures(models)
    comparison = compare_models(figures, 100, 0)

    def write(path: Path, *, pictures: bool = False) -> None:
        images = folder / 'pictures' if pictures else None
        write_page(path, comparison, figures, models, {}, {}, images=images)

    return write
