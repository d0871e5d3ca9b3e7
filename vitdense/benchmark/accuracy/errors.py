"""What AP50 would gain if a detector made no errors of one type.

Six types, as TIDE defines them (Bolya et al., TIDE: A General Toolbox for
Identifying Object Detection Errors, arXiv:2008.08115, section 2), and the
figures of its reference, tidecv 1.0.1. That differs from COCO in small things:
an image has its 100 best detections of all classes together, and a class
without objects counts where it is detected.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pycocotools import mask as masks

from vitdense.benchmark.accuracy.average_precision import FloatArray, IntArray
from vitdense.ops.compiled import compiled

if TYPE_CHECKING:
    from pycocotools.coco import COCO

BoolArray = npt.NDArray[np.bool_]
# Wrong class; badly placed; both; found already; nothing there; and objects
# that no detection of the first two types stands for.
TYPES = ('cls', 'loc', 'both', 'dupe', 'bkg', 'miss')
HIT = -1
CLS, LOC, BOTH, DUPE, BKG, MISS = range(len(TYPES))
# overlaps from which on a detection is one of an object, and of something
FOUND, NEAR = 0.5, 0.1
MOST = 100  # detections of an image


@dataclass(frozen=True)
class Errors:
    """Errors of one run.

    Attributes:
        kind: 'bbox' or 'segm'.
        average_precision: AP50, as TIDE has it.
        gains: ``(6,)``, what it would gain without those of each of `TYPES`.
        counts: ``(6,)``, how many there are.
    """

    kind: str
    average_precision: float
    gains: FloatArray
    counts: FloatArray


def mean_errors(runs: Sequence[Sequence[Errors]]) -> tuple[Errors, ...]:
    """Mean over runs ``(R,)`` of each kind."""
    return tuple(
        Errors(
            of_kind[0].kind,
            float(np.mean([each.average_precision for each in of_kind])),
            np.mean([each.gains for each in of_kind], axis=0),
            np.mean([each.counts for each in of_kind], axis=0),
        )
        for of_kind in zip(*runs, strict=True)
    )


class Judged(NamedTuple):
    """Detections ``(D,)`` of all images, and objects of all classes.

    Attributes:
        score: Of each detection.
        label: The number of its class.
        error: Its type, or `HIT`.
        counts: Whether it is in a curve: not if it is ignored.
        repaired: The class that it would be a hit of; -1 if it would be gone.
        objects: ``(K,)``, how many there are of each class.
        missed: ``(K,)``, of them.
    """

    score: FloatArray
    label: IntArray
    error: IntArray
    counts: BoolArray
    repaired: IntArray
    objects: IntArray
    missed: IntArray


def find_errors(
    truth: 'COCO', results: Sequence[Mapping[str, Any]], kind: str
) -> Errors:
    """Find the errors of detections, and what each type costs.

    Args:
        truth: What the images show.
        results: Detections as COCO has them submitted.
        kind: What is compared, 'bbox' or 'segm'.
    """
    judged = _judge_all(truth, results, kind)
    base = _mean_precision(
        judged.score,
        judged.label,
        judged.error == HIT,
        judged.counts,
        judged.objects,
    )
    # equal scores: errors first, in the order of their images
    order = np.argsort(judged.error == HIT, kind='stable')
    score, label = judged.score[order], judged.label[order]
    error, repaired = judged.error[order], judged.repaired[order]
    gains = []
    for number in range(len(TYPES)):
        is_repaired = error == number
        there = np.where(is_repaired, repaired >= 0, judged.counts[order])
        objects = judged.objects - judged.missed * (number == MISS)
        without = _mean_precision(
            score,
            np.where(is_repaired & there, repaired, label),
            is_repaired | (error == HIT),
            there,
            objects,
        )
        gains.append(max(0.0, without - base))
    found = np.bincount(judged.error[judged.error >= 0], minlength=len(TYPES))
    found[MISS] = judged.missed.sum()
    return Errors(kind, base, np.array(gains), found.astype(float))


def _judge_all(
    truth: 'COCO', results: Sequence[Mapping[str, Any]], kind: str
) -> Judged:
    numbers = {each: k for k, each in enumerate(sorted(truth.cats))}
    by_image: dict[Any, list[Mapping[str, Any]]] = {}
    for each in results:
        by_image.setdefault(each['image_id'], []).append(each)
    objects = np.zeros(len(numbers), np.int64)
    missed = np.zeros(len(numbers), np.int64)
    columns = []
    # in the order of the file: it decides between equal scores
    for image in truth.imgs:
        shown = truth.imgToAnns.get(image, [])
        there = [each for each in shown if not each['iscrowd']]
        labels = _labels(there, numbers)
        objects += np.bincount(labels, minlength=len(numbers))
        found = sorted(by_image.get(image, []), key=lambda one: -one['score'])
        found = found[:MOST]
        if not found:
            missed += np.bincount(labels, minlength=len(numbers))
            continue
        said = _labels(found, numbers)
        shapes = [_shape(each, truth, kind) for each in found]
        overlaps = _overlaps(shapes, there, truth, kind)
        error, repaired, is_missed = judge(overlaps, said, labels)
        crowds = [each for each in shown if each['iscrowd']]
        inside = _overlaps(shapes, crowds, truth, kind) > FOUND
        same = said[:, None] == _labels(crowds, numbers)
        ignored = (inside & same).any(1) & (error != HIT)
        missed += np.bincount(labels[is_missed], minlength=len(numbers))
        scores = [each['score'] for each in found]
        columns.append((scores, said, error, ~ignored, repaired))
    none: list[Any] = [[]] * 5
    score, label, error, counts, repaired = (
        np.concatenate(column) for column in zip(none, *columns, strict=True)
    )
    return Judged(
        score,
        *(label.astype(np.int64), error.astype(np.int64)),
        counts.astype(bool),
        *(repaired.astype(np.int64), objects, missed),
    )


def _labels(
    entries: Sequence[Mapping[str, Any]], numbers: Mapping[Any, int]
) -> IntArray:
    return np.array([numbers[each['category_id']] for each in entries], int)


def _shape(entry: Mapping[str, Any], truth: 'COCO', kind: str) -> Any:
    return entry['bbox'] if kind == 'bbox' else truth.annToRLE(entry)


def _overlaps(
    shapes: Sequence[Any],
    entries: Sequence[Mapping[str, Any]],
    truth: 'COCO',
    kind: str,
) -> FloatArray:
    """Of detections with objects, or with crowds, ``(D, O)``."""
    if not entries:
        return np.zeros((len(shapes), 0))
    others = [_shape(each, truth, kind) for each in entries]
    crowds = [int(each['iscrowd']) for each in entries]
    return np.asarray(masks.iou(list(shapes), others, crowds), float)


@compiled()
def judge(
    overlaps: FloatArray, said: IntArray, labels: IntArray
) -> tuple[IntArray, IntArray, BoolArray]:
    """Judge the detections of one image, best score first.

    Args:
        overlaps: ``(D, O)``, with the objects.
        said: ``(D,)``, classes of the detections.
        labels: ``(O,)``, of the objects.

    Returns:
        ``(D,)`` errors or `HIT`; ``(D,)`` classes that they would be hits of
        if repaired, or -1; ``(O,)`` whether an object is missed.
    """
    error, used = _hits(overlaps, said, labels)
    repaired = np.full(len(said), -1)
    # an object is repaired once, by the best detection that stands for it
    stood_for = used.copy()
    for d in range(len(said)):
        if error[d] == HIT:
            continue
        error[d], at = _error(overlaps[d], labels == said[d], used)
        if at >= 0 and not stood_for[at]:
            stood_for[at] = True
            repaired[d] = labels[at]
    return error, repaired, ~stood_for


@compiled()
def _hits(
    overlaps: FloatArray, said: IntArray, labels: IntArray
) -> tuple[IntArray, BoolArray]:
    """`HIT` or `BKG` of detections ``(D,)``, and which objects are found."""
    detections, objects = overlaps.shape
    error = np.full(detections, BKG)
    used = np.zeros(objects, np.bool_)
    for d in range(detections):
        best, at = 0.0, -1
        for o in range(objects):
            if labels[o] == said[d] and not used[o] and overlaps[d, o] > best:
                best, at = overlaps[d, o], o
        if best >= FOUND:
            used[at] = True
            error[d] = HIT
    return error, used


@compiled()
def _error(
    overlaps: FloatArray, is_same: BoolArray, used: BoolArray
) -> tuple[int, int]:
    """The type of error of a detection, and the object that it stands for.

    Args:
        overlaps: ``(O,)``, with the objects of the image.
        is_same: ``(O,)``, which are of its class.
        used: ``(O,)``, which are found.
    """
    same, other, taken = 0.0, 0.0, 0.0
    same_at, other_at = -1, -1
    for o in range(len(overlaps)):
        if not is_same[o]:
            if overlaps[o] > other:
                other, other_at = overlaps[o], o
            continue
        if overlaps[o] > same:
            same, same_at = overlaps[o], o
        if used[o]:
            taken = max(taken, overlaps[o])
    if NEAR <= same <= FOUND:
        return LOC, same_at
    if other >= FOUND:
        return CLS, other_at
    if taken >= FOUND:
        return DUPE, -1
    return (BOTH if max(same, other) > NEAR else BKG), -1


def _mean_precision(
    score: FloatArray,
    label: IntArray,
    is_hit: BoolArray,
    there: BoolArray,
    objects: IntArray,
) -> float:
    """Mean over classes, those that have objects or detections."""
    precisions = []
    for number, count in enumerate(objects):
        mine = there & (label == number)
        if count or mine.any():
            order = np.argsort(-score[mine], kind='stable')
            hits = is_hit[mine][order]
            precisions.append(_precision(hits, count) if count else 0.0)
    return float(np.mean(precisions)) if precisions else float('nan')


def _precision(hits: BoolArray, objects: int) -> float:
    """Mean over recalls of detections ``(D,)``, best score first."""
    found = np.cumsum(hits)
    precision = found / np.arange(1, len(hits) + 1)
    highest = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(found / objects, np.arange(101) / 100)
    return float(highest[at[at < len(hits)]].sum() / 101)
