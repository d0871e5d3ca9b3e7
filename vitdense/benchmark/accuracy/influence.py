"""What each image changes in average precision and recall.

The influence of an image on a figure is the figure's derivative by the weight
of the image (the infinitesimal jackknife: Efron and Tibshirani, An
Introduction to the Bootstrap, 1993, chapter 21). Their sum is zero.
"""

import numpy as np

from vitdense.benchmark.accuracy.average_precision import (
    RECALLS,
    THRESHOLDS,
    FloatArray,
    IntArray,
    Matches,
    count,
)
from vitdense.ops.compiled import compiled


@compiled()
def influences(
    matches: Matches, group: int, images: int, most: IntArray
) -> tuple[bool, FloatArray, FloatArray]:
    """Of images on precision ``(I, T)`` and recall ``(I, M)`` of a group.

    Precision is the mean over recalls, recall that over thresholds. The first
    result is whether the group has objects, which both need.

    Args:
        matches: What was found.
        group: Its number.
        images: How many there are.
        most: As in ``average_precision.curves``.
    """
    on_precision = np.zeros((images, THRESHOLDS))
    on_recall = np.zeros((images, len(most)))
    first, end = matches.starts[group], matches.starts[group + 1]
    owners = matches.object_image[
        matches.object_starts[group] : matches.object_starts[group + 1]
    ]
    objects = len(owners)
    if not objects:
        return False, on_precision, on_recall
    found = np.zeros((len(most), THRESHOLDS), np.int64)
    points = np.zeros(THRESHOLDS, np.int64)
    hits = np.empty((THRESHOLDS, end - first), np.int64)
    sizes = np.empty((THRESHOLDS, end - first), np.int64)
    places = np.empty((THRESHOLDS, end - first), np.int64)
    weights = np.ones(images, np.int64)
    count(
        *(matches, first, end, weights, most),
        *(found, points, hits, sizes, places),
    )
    by_hit = np.zeros((THRESHOLDS, end - first))
    by_size = np.zeros((THRESHOLDS, end - first))
    for t in range(THRESHOLDS):
        by_object = _slopes(
            *(hits[t, : points[t]], sizes[t, : points[t]], objects),
            *(places[t, : points[t]] - first, by_hit[t], by_size[t]),
        )
        for image in owners:
            on_precision[image, t] += by_object
    for m in range(len(most)):
        by_object = -found[m].mean() / objects**2
        for image in owners:
            on_recall[image, m] += by_object
    _share(
        *(matches, first, end, most, objects),
        *(by_hit, by_size, on_precision, on_recall),
    )
    return True, on_precision, on_recall


@compiled()
def _slopes(
    hits: IntArray,
    sizes: IntArray,
    objects: int,
    places: IntArray,
    by_hit: FloatArray,
    by_size: FloatArray,
) -> float:
    """Derivatives of a mean precision at one threshold.

    Those by how much is found up to a place are added to ``by_hit``, those by
    how many detections there are up to it to ``by_size``; what is returned is
    that by an object more. A change that moves the recall of a place moves the
    precision at a given recall along the curve, by its slope.
    """
    steps = len(RECALLS)
    precision = np.zeros(steps + 2)
    best = np.full(steps, len(hits) - 1)
    point, highest, at = len(hits) - 1, 0.0, len(hits) - 1
    for r in range(steps - 1, -1, -1):
        while point >= 0 and hits[point] / objects >= RECALLS[r]:
            if hits[point] / sizes[point] >= highest:
                highest, at = hits[point] / sizes[point], point
            point -= 1
        precision[r + 1], best[r] = highest, at
    precision[0], precision[-1] = precision[1], precision[-2]
    by_object = 0.0
    if not len(hits):
        return by_object
    for r in range(steps):
        here, height = best[r], precision[r + 1]
        # by recall, which rises by 1 in steps - 1 of them
        slope = (precision[r + 2] - precision[r]) / 2 * (steps - 1) / steps
        by_hit[places[here]] -= slope / objects
        by_object += slope * hits[here] / objects**2
        if height:
            by_hit[places[here]] += 1 / sizes[here] / steps
            by_size[places[here]] -= height / sizes[here] / steps
    return by_object


@compiled()
def _share(
    matches: Matches,
    first: int,
    end: int,
    most: IntArray,
    objects: int,
    by_hit: FloatArray,
    by_size: FloatArray,
    on_precision: FloatArray,
    on_recall: FloatArray,
) -> None:
    """Give the images what their detections change, the last one first: each
    counts in all places that come after it."""
    of_hit, of_size = np.zeros(THRESHOLDS), np.zeros(THRESHOLDS)
    for i in range(end - 1, first - 1, -1):
        image, rank = matches.image[i], matches.rank[i]
        if rank >= most[-1]:
            continue
        of_hit += by_hit[:, i - first]
        of_size += by_size[:, i - first]
        matched, ignored = matches.matched[i], matches.ignored[i]
        for t in range(THRESHOLDS):
            if ignored >> t & 1:
                continue
            on_precision[image, t] += of_size[t]
            if matched >> t & 1:
                on_precision[image, t] += of_hit[t]
                for m in range(len(most)):
                    if rank < most[m]:
                        on_recall[image, m] += 1 / objects / THRESHOLDS
