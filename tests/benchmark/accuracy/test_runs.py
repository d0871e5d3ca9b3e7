"""Results as they are read: what boxes and masks are scored by."""

import json
from pathlib import Path
from typing import Any

from pycocotools import mask

from vitdense.benchmark.accuracy.model_run import ModelRun
from vitdense.benchmark.accuracy.runs import read_figures


def test_masks_are_ranked_by_their_own_scores(
    shared: Path, tmp_path: Path
) -> None:
    """Boxes by ``score``, masks by ``mask_score`` where there is one."""
    folder = shared / 'data/coco_eval'
    content = json.loads((folder / 'instances_val2014_100.json').read_text())
    images = content['images'][:10]
    ids = {each['id'] for each in images}
    of_images = [e for e in content['annotations'] if e['image_id'] in ids]
    truth = tmp_path / 'truth.json'
    truth.write_text(
        json.dumps(content | {'images': images, 'annotations': of_images})
    )
    name = 'instances_val2014_fakesegm100_results.json'
    results: list[dict[str, Any]] = json.loads((folder / name).read_text())
    found = [each for each in results if each['image_id'] in ids]
    for each in found:
        each['bbox'] = mask.toBbox(each['segmentation']).tolist()
    # an order that is not that of the scores
    other = [each['score'] * (1 + n % 7) / 7 for n, each in enumerate(found)]
    scored = list(zip(found, other, strict=True))
    models = {
        'both': [each | {'mask_score': score} for each, score in scored],
        'score': found,
        'mask_score': [each | {'score': score} for each, score in scored],
    }
    runs = {}
    for name, results in models.items():
        path = tmp_path / f'{name}.json'
        path.write_text(json.dumps(results))
        runs[name] = [ModelRun(name, path, truth)]
    figures = {
        name: dict(zip(each.names, each.values(), strict=True))
        for name, (each,) in read_figures(runs).items()
    }
    for kind, same, unlike in (
        ('box', 'score', 'mask_score'),
        ('mask', 'mask_score', 'score'),
    ):
        value = figures['both'][f'{kind} AP']
        assert value == figures[same][f'{kind} AP']
        assert value != figures[unlike][f'{kind} AP']
