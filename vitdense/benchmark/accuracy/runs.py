"""Scores the predictions of runs, whoever made them."""

import io
import json
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vitdense.benchmark.accuracy.compare import Figures, Joined
from vitdense.benchmark.accuracy.detection import KINDS, match
from vitdense.benchmark.accuracy.model_run import ModelRun
from vitdense.benchmark.accuracy.segmentation import (
    IGNORED,
    Labels,
    SegmentationFigures,
    count_pixels,
)
from vitdense.datasets.audit.annotations import is_box, is_number
from vitdense.datasets.audit.kinds import Size, shown
from vitdense.datasets.audit.masks import MaskError, read_run_lengths

if TYPE_CHECKING:
    from pycocotools.coco import COCO

READ_OF = {'bbox': 'bbox', 'segm': 'segmentation'}


def read_figures(
    models: Mapping[str, Sequence[ModelRun]],
) -> dict[str, list[Figures]]:
    """Score the runs of each model.

    Args:
        models: Runs whose predictions are there, all with the same truth.

    Raises:
        ValueError, OSError: If something cannot be used, naming it.
    """
    truth = next(iter(models.values()))[0]
    annotations = truth.annotations
    if not annotations.exists():
        raise FileNotFoundError(f'there is no {str(annotations)!r}')
    files = {
        name: [each.predictions for each in runs]
        for name, runs in models.items()
    }
    folders = {
        name
        for name, paths in files.items()
        if any(each.is_dir() for each in paths)
    }
    if folders and folders != models.keys():
        other = sorted(models.keys() - folders)
        raise ValueError(
            f'{sorted(folders)} are folders of label PNGs, {other} results '
            'of detection; compare one kind'
        )
    if bool(folders) != annotations.is_dir():
        wanted = 'folders of label PNGs' if folders else 'COCO results'
        raise ValueError(
            f'--annotations {str(annotations)!r} is no truth of {wanted}'
        )
    if folders:
        return _read_label_maps(files, truth)
    return _read_detections(files, annotations)


def _read_detections(
    models: Mapping[str, Sequence[Path]], annotations: Path
) -> dict[str, list[Figures]]:
    truth = _read_truth(annotations)
    results = {
        name: [_read_results(each, name, truth, annotations) for each in files]
        for name, files in models.items()
    }
    kinds = {name: _kinds(name, runs) for name, runs in results.items()}
    shared = [kind for kind in KINDS if all(kind in k for k in kinds.values())]
    if not shared:
        raise ValueError(
            'the results have nothing in common: '
            + '; '.join(
                f'{name} has {" and ".join(kinds[name])}' for name in kinds
            )
        )
    return {
        name: [
            Joined(
                tuple(match(truth, _only(run, READ_OF[k]), k) for k in shared)
            )
            for run in runs
        ]
        for name, runs in results.items()
    }


def _kinds(
    name: str, runs: Sequence[Sequence[Mapping[str, Any]]]
) -> list[str]:
    """What a model's results can be scored by."""
    kinds = [
        kind
        for kind in KINDS
        if all(READ_OF[kind] in each for run in runs for each in run)
    ]
    if not kinds:
        raise ValueError(
            f'{name}: some of its detections have no bbox, and some no '
            'segmentation'
        )
    return kinds


def _only(
    results: Sequence[Mapping[str, Any]], key: str
) -> list[dict[str, Any]]:
    """What is scored: pycocotools takes areas from boxes if it sees any."""
    keys = ('image_id', 'category_id', 'score', key)
    only = [{name: each[name] for name in keys} for each in results]
    if key == READ_OF['segm']:
        for each, whole in zip(only, results, strict=True):
            # of models that score masks apart
            each['score'] = whole.get('mask_score', whole['score'])
    return only


def _read_truth(annotations: Path) -> 'COCO':
    from pycocotools.coco import COCO

    try:
        with redirect_stdout(io.StringIO()):
            return COCO(str(annotations))
    except (ValueError, KeyError, AssertionError, TypeError) as error:
        raise ValueError(
            f'--annotations {str(annotations)!r} is no COCO file: {error}'
        ) from None


def _read_results(
    path: Path, name: str, truth: 'COCO', annotations: Path
) -> list[dict[str, Any]]:
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        text = f'{name}: {str(path)!r} is no JSON: {error}'
        raise ValueError(text) from None
    if not isinstance(content, list) or not content:
        what = 'empty' if content == [] else 'no list of detections'
        raise ValueError(
            f'{name}: {str(path)!r} is {what}, but {str(annotations)!r} has '
            f'{len(truth.imgs)} images'
        )
    known = {'image_id': truth.imgs, 'category_id': truth.cats}
    for index, each in enumerate(content):
        place = f'{name}: {str(path)!r}[{index}]'
        if not isinstance(each, dict):
            raise ValueError(f'{place} is no detection, but {each!r:.40}')
        for key in ('image_id', 'category_id', 'score'):
            if key not in each:
                raise ValueError(f'{place} has no {key!r}')
        for key, ids in known.items():
            if not isinstance(each[key], int | str) or each[key] not in ids:
                raise ValueError(
                    f'{place} has {key}={each[key]!r:.40}, which '
                    f'{str(annotations)!r} has not'
                )
        image = truth.imgs[each['image_id']]
        fault = _fault(each, (image['height'], image['width']))
        if fault:
            raise ValueError(f'{place} has {fault}')
    return content


def _fault(detection: Mapping[str, Any], size: Size) -> str:
    """What pycocotools could not read, if anything."""
    if not is_number(detection['score']):
        return f'score={shown(detection["score"])}, which is no number'
    if 'bbox' in detection and not is_box(detection['bbox']):
        return f'bbox={shown(detection["bbox"])}; it needs four numbers'
    mask = detection.get('segmentation')
    if isinstance(mask, dict):
        try:
            read_run_lengths(mask, size)
        except MaskError as error:
            return f'a malformed segmentation: {error}'
    elif 'segmentation' in detection:
        return f'segmentation={shown(mask)}; it needs run lengths'
    return ''


def _read_label_maps(
    models: Mapping[str, Sequence[Path]], run: ModelRun
) -> dict[str, list[Figures]]:
    annotations = run.annotations
    truth = run.label_maps or sorted(
        each.name for each in annotations.glob('*.png')
    )
    if not truth:
        raise FileNotFoundError(f'no label PNG in {str(annotations)!r}')
    # a label map has no names of classes, and a few pictures not all of them
    classes = run.classes or tuple(map(str, range(IGNORED)))

    def count(folder: Path, name: str) -> SegmentationFigures:
        missing = [each for each in truth if not (folder / each).is_file()]
        if missing:
            raise FileNotFoundError(
                f'{name}: {str(folder)!r} has not {missing[0]}, nor '
                f'{len(missing) - 1} more of {str(annotations)!r}'
            )
        try:
            return count_pixels(
                classes,
                (
                    (
                        str(Path(each).with_suffix('')),
                        read_labels(annotations / each, run),
                        read_labels(folder / each, run),
                    )
                    for each in truth
                ),
            )
        except ValueError as error:
            raise ValueError(f'{name}: {error}') from None

    return {
        name: [count(each, name) for each in files]
        for name, files in models.items()
    }


def read_labels(path: Path, run: ModelRun) -> Labels:
    """A label map ``(H, W)`` of a run or its truth, 255 for what does not
    count.

    Raises:
        ValueError: If it is none.
    """
    labels = _read_map(path)
    if run.reduce_zero_label:
        labels = np.where(
            (labels == 0) | (labels == IGNORED),
            IGNORED,
            labels.astype(np.int64) - 1,
        )
    return labels


def _read_map(path: Path) -> Labels:
    import cv2

    labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if labels is None or labels.ndim != 2:
        raise ValueError(f'{str(path)!r} is no label map of one channel')
    return np.asarray(labels)
