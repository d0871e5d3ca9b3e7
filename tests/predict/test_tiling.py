"""Tiles of a picture, put together, are as if it had not been cut."""

from collections.abc import Iterable, Iterator

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from vitdense.predict.results import Detections, LabelMap
from vitdense.predict.tiling import Tiling

Pixels = npt.NDArray[np.uint8]
CLASSES = ('blob', 'other')
TILE = 128


def finds_blobs(pictures: Iterable[Pixels]) -> Iterator[Detections]:
    """Connected pieces of brightness, as a detector that makes no errors."""
    for picture in pictures:
        bright = picture[..., 0] > 99
        _, pieces = cv2.connectedComponents(bright.astype(np.uint8))
        boxes, masks, labels, scores = [], [], [], []
        for number in range(1, pieces.max() + 1):
            mask = pieces == number
            y, x = np.nonzero(mask)
            boxes.append([x.min(), y.min(), x.max() + 1, y.max() + 1])
            masks.append(mask)
            labels.append(int(picture[y[0], x[0], 1] > 99))
            # pieces of an object look as good as the whole
            scores.append(0.9 - 0.001 * number)
        size = picture.shape[:2]
        yield Detections(
            np.asarray(boxes, np.float32).reshape(-1, 4),
            np.asarray(scores, np.float32),
            np.asarray(labels, np.int64),
            np.asarray(masks, np.bool_).reshape(-1, *size),
            CLASSES,
        )


def in_tiles_alone(pictures: Iterable[Pixels]) -> Iterator[Detections]:
    """The same, that sees nothing in what is larger than a tile."""
    for picture in pictures:
        (found,) = finds_blobs([picture])
        yield found if max(picture.shape) <= TILE else found.at_least(2)


def blobs(height: int, width: int, seed: int) -> Pixels:
    rng = np.random.default_rng(seed)
    picture = np.zeros((height, width, 3), np.uint8)
    for _ in range(40):
        side = rng.integers(4, 24, 2)
        y, x = rng.integers(0, np.asarray((height, width)) - side)
        around = picture[max(y - 3, 0) : y + 27, max(x - 3, 0) : x + 27]
        if not around.any():
            colour = (200, 200 * int(rng.integers(2)), 0)
            picture[y : y + side[0], x : x + side[1]] = colour
    return picture


def in_order(found: Detections) -> tuple[npt.NDArray[np.float32], ...]:
    order = np.lexsort(found.boxes.T)
    assert found.masks is not None
    return found.boxes[order], found.labels[order], found.masks[order]


@pytest.mark.parametrize('size', [(300, 500), (128, 129), (90, 400)])
def test_objects_are_whole_and_once(size: tuple[int, int]) -> None:
    """Those that fit into the overlap, wherever borders are."""
    tiling = Tiling(TILE, 0.25, 32)
    pictures = [blobs(*size, seed) for seed in range(3)]
    merged = list(tiling.predict(in_tiles_alone, pictures))
    for found, truth in zip(merged, finds_blobs(pictures), strict=True):
        assert isinstance(found, Detections)
        assert len(found) == len(truth) > 2
        for ours, wanted in zip(in_order(found), in_order(truth), strict=True):
            assert (ours == wanted).all()


def test_objects_larger_than_a_tile_are_joined() -> None:
    picture = np.zeros((400, 500, 3), np.uint8)
    picture[20:40, 10:490] = 200  # through four tiles, of which two are inside
    picture[60:380, 200:260] = 200
    (found,) = Tiling(TILE, 0.25, 32).predict(in_tiles_alone, [picture])
    (truth,) = finds_blobs([picture])
    assert isinstance(found, Detections)
    for ours, wanted in zip(in_order(found), in_order(truth), strict=True):
        assert (ours == wanted).all()


def test_labels_are_of_the_tile_whose_middle_is_nearest() -> None:
    """What is wrong near the borders of tiles is nowhere in the whole."""

    def wrong_at_borders(pictures: Iterable[Pixels]) -> Iterator[LabelMap]:
        for picture in pictures:
            labels = np.full(picture.shape[:2], 9, np.int64)
            inside = (slice(12, -12), slice(12, -12))
            labels[inside] = picture[..., 0][inside]
            yield LabelMap(labels, CLASSES)

    rng = np.random.default_rng(0)
    pictures = [
        rng.integers(0, 5, (*size, 3), np.uint8)
        for size in ((300, 500), (128, 200))
    ]
    merged = Tiling(TILE, 0.2, 32).predict(wrong_at_borders, pictures)
    for picture, found in zip(pictures, merged, strict=True):
        assert isinstance(found, LabelMap)
        inside = (slice(12, -12), slice(12, -12))
        assert (found.labels[inside] == picture[..., 0][inside]).all()
        assert (found.labels[:12] == 9).all()


def test_tiles_overlap_and_reach_the_borders() -> None:
    for height, width, overlap in ((300, 1000, 0.2), (50, 129, 0.0)):
        tiles = Tiling(TILE, overlap, 32).windows(height, width)
        seen = np.zeros((height, width), int)
        for left, top, right, bottom in tiles:
            assert right - left == min(TILE, width)
            assert bottom - top == min(TILE, height)
            seen[top:bottom, left:right] += 1
        assert seen.all()
        starts = sorted({tile.left for tile in tiles})
        assert max(np.diff(starts)) <= TILE * (1 - overlap)
    assert Tiling(TILE, 0.2, 32).windows(TILE, 9) == [(0, 0, 9, TILE)]


@pytest.mark.parametrize(
    ('size', 'overlap', 'words'),
    [
        (31, 0.2, 'tile=31 is smaller than the 32 pixels'),
        (128, 1.0, 'overlap=1.0 is not from 0 to less than 1'),
        (128, -0.1, 'overlap=-0.1 is not'),
        (128, float('nan'), 'overlap=nan is not'),
    ],
)
def test_bad_input(size: int, overlap: float, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Tiling(size, overlap, 32)
