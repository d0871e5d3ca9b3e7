"""Objects found in parts of a picture, each once and whole."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vitdense.predict.results import Detections

# boxes agree from that intersection over union on, as in most heads' NMS
SAME = 0.5
# how near to a border of its part an object is cut by it, in pixels
NEAR_PX = 2
Box = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


class Part(NamedTuple):
    """A part of a picture, and what was found in it.

    Attributes:
        window: Its left, top, right and bottom in the picture, in pixels.
        found: In pixels of the part.
    """

    window: tuple[int, int, int, int]
    found: Detections


@dataclass
class _Object:
    """An object of some parts; ``index`` is its place in the first's."""

    label: int
    score: float
    box: Box
    cut: bool
    window: Box
    pieces: list[tuple[int, int]]


def merge_detections(parts: list[Part], size: tuple[int, int]) -> Detections:
    """Objects of all parts, each once.

    Two of one class and of different parts are the same if their boxes agree
    in what both parts show. Of those the one that is whole is taken, then
    the better; where none is, they are pieces of one, and are joined.

    Args:
        parts: All of the picture.
        size: Height and width of the picture, in pixels.
    """
    objects = [
        each for i, part in enumerate(parts) for each in _of(i, part, size)
    ]
    objects.sort(key=lambda each: (each.cut, -each.score))
    kept: list[_Object] = []
    for each in objects:
        same = next((old for old in kept if _same(old, each)), None)
        if same is None:
            kept.append(each)
        elif same.cut:
            _join(same, each)
    kept.sort(key=lambda each: -each.score)
    first = parts[0].found
    masks = None
    if first.masks is not None:
        masks = np.zeros((len(kept), *size), np.bool_)
        for mask, each in zip(masks, kept, strict=True):
            _paint(mask, each, parts)
    boxes = [each.box for each in kept]
    return Detections(
        np.asarray(boxes, np.float32).reshape(-1, 4),
        np.asarray([each.score for each in kept], np.float32),
        np.asarray([each.label for each in kept], np.int64),
        masks,
        first.classes,
    )


def _of(number: int, part: Part, size: tuple[int, int]) -> list[_Object]:
    """Objects of a part, in pixels of the picture."""
    window = np.asarray(part.window, np.float32)
    height, width = size
    inner = window != np.asarray((0, 0, width, height))
    boxes = part.found.boxes + np.tile(window[:2], 2)
    cut = ((np.abs(boxes - window) <= NEAR_PX) & inner).any(1)
    return [
        _Object(
            int(part.found.labels[index]),
            float(part.found.scores[index]),
            boxes[index],
            bool(cut[index]),
            window,
            [(number, index)],
        )
        for index in range(len(part.found))
    ]


def _same(old: _Object, new: _Object) -> bool:
    numbers = {number for number, _ in old.pieces}
    # a part's own objects have been through the model's NMS
    if old.label != new.label or new.pieces[0][0] in numbers:
        return False
    shared = _intersect(old.window, new.window)
    one, other = _intersect(old.box, shared), _intersect(new.box, shared)
    common = _area(_intersect(one, other))
    union = _area(one) + _area(other) - common
    return union > 0 and common > SAME * union


def _join(old: _Object, new: _Object) -> None:
    for kind in ('box', 'window'):
        one, other = getattr(old, kind), getattr(new, kind)
        low = np.minimum(one[:2], other[:2])
        joined = np.concatenate([low, np.maximum(one[2:], other[2:])])
        setattr(old, kind, joined)
    old.pieces += new.pieces


def _paint(mask: Mask, each: _Object, parts: list[Part]) -> None:
    for number, index in each.pieces:
        left, top, right, bottom = parts[number].window
        masks = parts[number].found.masks
        if masks is not None:
            mask[top:bottom, left:right] |= masks[index]


def _intersect(one: Box, other: Box) -> Box:
    low = np.maximum(one[:2], other[:2])
    return np.concatenate([low, np.minimum(one[2:], other[2:])])


def _area(box: Box) -> float:
    width, height = (box[2:] - box[:2]).clip(0)
    return float(width * height)
