"""Figures of detections, from what pycocotools matches."""

import io
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from vitdense.benchmark.accuracy.average_precision import (
    MOST,
    FloatArray,
    IntArray,
    Matches,
    curves,
    means,
)
from vitdense.benchmark.accuracy.errors import Errors, find_errors
from vitdense.benchmark.accuracy.influence import influences

if TYPE_CHECKING:
    from pycocotools.coco import COCO

KINDS = {'bbox': 'box', 'segm': 'mask'}
AREAS = ('all', 'small', 'medium', 'large')


class Summary(NamedTuple):
    """One of COCO's twelve figures.

    Attributes:
        name: Its usual name.
        area: The number of the range of areas that it is of.
        threshold: The number of the one that it is at, None for all.
        most: For recall, the number in `MOST` of how many detections count;
            None for precision, of 100.
    """

    name: str
    area: int = 0
    threshold: int | None = None
    most: int | None = None


SUMMARIES = (
    Summary('AP'),
    Summary('AP50', threshold=0),
    Summary('AP75', threshold=5),
    Summary('APs', area=1),
    Summary('APm', area=2),
    Summary('APl', area=3),
    Summary('AR1', most=0),
    Summary('AR10', most=1),
    Summary('AR100', most=2),
    Summary('ARs', area=1, most=2),
    Summary('ARm', area=2, most=2),
    Summary('ARl', area=3, most=2),
)


@dataclass(frozen=True)
class DetectionFigures:
    """COCO's figures of the detections of one run, and AP of each class.

    Attributes:
        kind: 'bbox' or 'segm'.
        classes: Names, in the order of the categories' ids.
        images: Their ids, sorted.
        matches: What was found.
        errors: What was wrong, one entry.
    """

    kind: str
    classes: tuple[str, ...]
    images: tuple[Any, ...]
    matches: Matches
    errors: tuple[Errors, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of the figures: ``box AP``, ..., ``box AP: person``, ..."""
        kind = KINDS[self.kind]
        return (
            *(f'{kind} {each.name}' for each in SUMMARIES),
            *(f'{kind} AP: {name}' for name in self.classes),
        )

    def values(self) -> FloatArray:
        """The figures ``(F,)``, as pycocotools has them; NaN for none."""
        weights = np.ones(len(self.images), np.int64)
        precision, recall = curves(self.matches, weights, MOST)
        figures = []
        for each in SUMMARIES:
            found = precision if each.most is None else recall[:, each.most]
            found = found[each.area :: len(AREAS)]
            if each.threshold is not None:
                found = found[:, each.threshold]
            # the order of pycocotools: what is added up first shows in the
            # last bit
            figures.append(_mean(np.moveaxis(found, 0, -1)))
        every = [_mean(each) for each in precision[:: len(AREAS)]]
        return np.array(figures + every)

    def resampled(self, weights: IntArray) -> FloatArray:
        """The figures ``(W, F)`` for weights ``(W, I)`` of the images."""
        precision, recall = means(self.matches, weights, MOST)
        figures = []
        for each in SUMMARIES:
            found = precision if each.most is None else recall[:, :, each.most]
            found = found[:, each.area :: len(AREAS)]
            if each.threshold is not None:
                found = found[:, :, each.threshold, None]
            figures.append(_means(found.mean(2)))
        every = precision[:, :: len(AREAS)].mean(2)
        every[every < 0] = np.nan
        return np.column_stack([*figures, every])

    def influences(self) -> FloatArray:
        """Of the images on the figures ``(I, F)``; NaN for none."""
        images, classes = len(self.images), len(self.classes)
        total = np.zeros((images, len(SUMMARIES) + classes))
        total[:, len(SUMMARIES) :] = np.nan
        there = np.zeros(len(AREAS))
        for group in range(classes * len(AREAS)):
            number, area = divmod(group, len(AREAS))
            is_there, *on = influences(self.matches, group, images, MOST)
            if not is_there:
                continue
            there[area] += 1
            for index, each in enumerate(SUMMARIES):
                if each.area == area:
                    total[:, index] += _of_summary(each, *on)
            if area == 0:
                total[:, len(SUMMARIES) + number] = on[0].mean(1)
        for index, each in enumerate(SUMMARIES):
            total[:, index] /= there[each.area] or np.nan
        return total


def _of_summary(
    summary: Summary, on_precision: FloatArray, on_recall: FloatArray
) -> FloatArray:
    if summary.most is not None:
        return on_recall[:, summary.most]
    if summary.threshold is not None:
        return on_precision[:, summary.threshold]
    mean: FloatArray = on_precision.mean(1)
    return mean


def _mean(values: FloatArray) -> float:
    there = values[values > -1]
    return float(np.mean(there)) if there.size else float('nan')


def _means(values: FloatArray) -> FloatArray:
    """Means ``(W,)`` over classes ``(W, K)``, of which -1 are not there."""
    there = values >= 0
    count = there.sum(1)
    total = np.where(there, values, 0.0).sum(1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def match(
    truth: 'COCO', results: Sequence[Mapping[str, Any]], kind: str
) -> DetectionFigures:
    """Match detections to objects, as pycocotools does.

    Args:
        truth: What the images show.
        results: Detections as COCO has them submitted.
        kind: What is matched, 'bbox' or 'segm'.
    """
    from pycocotools.cocoeval import COCOeval

    with redirect_stdout(io.StringIO()):
        # loading changes what it is given
        found = truth.loadRes([dict(each) for each in results])
        scorer = COCOeval(truth, found, kind)
        scorer.evaluate()
    ids = [int(each) for each in scorer.params.catIds]
    names = {each['id']: each['name'] for each in truth.dataset['categories']}
    images = list(scorer.params.imgIds)
    groups = [
        _group(scorer.evalImgs[start : start + len(images)])
        for start in range(0, len(scorer.evalImgs), len(images))
    ]
    columns = list(zip(*groups, strict=True))
    starts, object_starts = (
        np.cumsum([0, *(len(each) for each in columns[number])])
        for number in (0, 4)
    )
    image, rank, matched, ignored, object_image = map(np.concatenate, columns)
    return DetectionFigures(
        kind,
        tuple(names[each] for each in ids),
        tuple(images),
        Matches(
            *(starts, image, rank, matched, ignored),
            *(object_starts, object_image),
        ),
        (find_errors(truth, results, kind),),
    )


def _group(found: Sequence[Mapping[str, Any] | None]) -> list[IntArray]:
    """Image, rank, matched, ignored of detections, image of objects: those
    of one class in one range of areas, which pycocotools lists by image."""
    bits = 1 << np.arange(10)
    parts: list[list[Any]] = [[], [], [], [], [], []]
    for number, each in enumerate(found):
        if each is None:
            continue
        count = len(each['dtScores'])
        matched = np.asarray(each['dtMatches']).reshape(10, count) != 0
        ignored = np.asarray(each['dtIgnore']).reshape(10, count) != 0
        objects = int(np.sum(np.asarray(each['gtIgnore']) == 0))
        for part, values in zip(
            parts,
            (
                np.full(count, number),
                np.arange(count),
                bits @ (matched & ~ignored),
                bits @ ignored,
                np.full(objects, number),
                np.asarray(each['dtScores'], float),
            ),
            strict=True,
        ):
            part.append(values)
    image, rank, matched, ignored, objects = (
        np.concatenate([np.empty(0, np.int64), *part]).astype(np.int64)
        for part in parts[:5]
    )
    scores = np.concatenate([np.empty(0), *parts[5]])
    order = np.argsort(-scores, kind='mergesort')
    # what never counts need not be looked at again
    order = order[ignored[order] != (1 << 10) - 1]
    return [image[order], rank[order], matched[order], ignored[order], objects]
