"""COCO's average precision and recall for images that count several times.

Images are drawn with replacement in a bootstrap. An image that is drawn twice
has each of its objects and each of its detections twice, so both are counted
with the image's weight. With weights of one everything is what pycocotools'
``COCOeval.accumulate`` gives, to the last bit.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vitdense.ops.compiled import compiled

IntArray = npt.NDArray[np.integer]
FloatArray = npt.NDArray[np.float64]

THRESHOLDS = 10  # of the intersection over union: 0.5, 0.55, ..., 0.95
RECALLS = np.linspace(0.0, 1.00, 101)
# COCO's numbers of detections that count in an image
MOST = np.array([1, 10, 100])
# added to a denominator by pycocotools
EPSILON = np.spacing(1)


class Matches(NamedTuple):
    """Detections and objects of all classes and areas, in groups.

    A group is a class in a range of areas: class ``k`` in range ``a`` of
    ``A`` is number ``k * A + a``, and has detections
    ``starts[g]:starts[g + 1]``, best score first, and objects likewise.

    Attributes:
        starts: ``(G + 1,)``.
        image: Of each detection, its number among the images.
        rank: Of each detection among those of its class in its image.
        matched: Of each detection a bit for each threshold, lowest first.
        ignored: Likewise: where it counts neither for nor against.
        object_starts: ``(G + 1,)``.
        object_image: Of each object that counts.
    """

    starts: IntArray
    image: IntArray
    rank: IntArray
    matched: IntArray
    ignored: IntArray
    object_starts: IntArray
    object_image: IntArray


@compiled()
def _fill(
    matches: Matches,
    group: int,
    weights: IntArray,
    most: IntArray,
    precision: FloatArray,
    recall: FloatArray,
) -> None:
    """Precisions ``(T, 101)`` and recalls ``(M, T)`` of a group; -1 for
    none."""
    precision[:] = -1.0
    recall[:] = -1.0
    objects = 0
    for i in range(
        matches.object_starts[group], matches.object_starts[group + 1]
    ):
        objects += weights[matches.object_image[i]]
    if not objects:
        return
    first, end = matches.starts[group], matches.starts[group + 1]
    found = np.zeros((len(most), THRESHOLDS), np.int64)
    points = np.zeros(THRESHOLDS, np.int64)
    hits = np.empty((THRESHOLDS, end - first), np.int64)
    sizes = np.empty((THRESHOLDS, end - first), np.int64)
    places = np.empty((THRESHOLDS, end - first), np.int64)
    count(
        *(matches, first, end, weights, most),
        *(found, points, hits, sizes, places),
    )
    for t in range(THRESHOLDS):
        for m in range(len(most)):
            recall[m, t] = found[m, t] / objects
        point, highest = points[t] - 1, 0.0
        for r in range(len(RECALLS) - 1, -1, -1):
            while point >= 0 and hits[t, point] / objects >= RECALLS[r]:
                here = hits[t, point] / (sizes[t, point] + EPSILON)
                highest = max(highest, here)
                point -= 1
            precision[t, r] = highest


@compiled()
def count(
    matches: Matches,
    first: int,
    end: int,
    weights: IntArray,
    most: IntArray,
    found: IntArray,
    points: IntArray,
    hits: IntArray,
    sizes: IntArray,
    places: IntArray,
) -> None:
    """Go down the detections of a group, best score first.

    What is found at each threshold is counted in ``found``, for each of the
    ``most`` detections that count in an image. Where it is found anew by the
    largest of them, ``hits`` gets how much is found by then, ``sizes`` by how
    many detections, and ``places`` the detection: no other place can have the
    highest precision at its recall or above. ``points`` counts these places.
    """
    left_out = np.zeros(THRESHOLDS, np.int64)
    seen = 0
    for i in range(first, end):
        weight = weights[matches.image[i]]
        rank = matches.rank[i]
        if not weight or rank >= most[-1]:
            continue
        seen += weight
        matched, ignored = matches.matched[i], matches.ignored[i]
        if not matched | ignored:
            continue
        for t in range(THRESHOLDS):
            if ignored >> t & 1:
                left_out[t] += weight
            elif matched >> t & 1:
                for m in range(len(most)):
                    if rank < most[m]:
                        found[m, t] += weight
                hits[t, points[t]] = found[-1, t]
                sizes[t, points[t]] = seen - left_out[t]
                places[t, points[t]] = i
                points[t] += 1


@compiled()
def curves(
    matches: Matches, weights: IntArray, most: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Precision ``(G, T, 101)`` and recall ``(G, M, T)`` of all groups.

    Args:
        matches: What was found.
        weights: ``(I,)``, how often each image counts.
        most: ``(M,)``, how many detections of a class count in an image, in
            rising order; precision is that of the last.
    """
    groups = len(matches.starts) - 1
    precision = np.empty((groups, THRESHOLDS, len(RECALLS)))
    recall = np.empty((groups, len(most), THRESHOLDS))
    for group in range(groups):
        _fill(matches, group, weights, most, precision[group], recall[group])
    return precision, recall


@compiled()
def means(
    matches: Matches, weights: IntArray, most: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Average precision ``(W, G, T)`` and recall ``(W, G, M, T)``.

    Args:
        matches: What was found.
        weights: ``(W, I)``.
        most: As in `curves`.
    """
    groups = len(matches.starts) - 1
    precision = np.empty((len(weights), groups, THRESHOLDS))
    recall = np.empty((len(weights), groups, len(most), THRESHOLDS))
    points = np.empty((THRESHOLDS, len(RECALLS)))
    for w in range(len(weights)):
        for group in range(groups):
            _fill(matches, group, weights[w], most, points, recall[w, group])
            for t in range(THRESHOLDS):
                precision[w, group, t] = points[t].mean()
    return precision, recall
