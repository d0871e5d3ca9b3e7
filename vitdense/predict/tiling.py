"""Large pictures in tiles that overlap.

Slicing and a second look at the whole picture are those of SAHI, Akyon et
al., arXiv:2202.06934; how objects at borders are put together is not.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vitdense.predict.merging import Part, merge_detections
from vitdense.predict.results import Detections, LabelMap, Result

Pixels = npt.NDArray[np.uint8]
Predict = Callable[[Iterable[Pixels]], Iterator[Result]]


class Window(NamedTuple):
    """A part of a picture, in pixels; right and bottom are outside."""

    left: int
    top: int
    right: int
    bottom: int

    def cut(self, picture: Pixels) -> Pixels:
        """(H, W, 3) -> (bottom - top, right - left, 3)."""
        return picture[self.top : self.bottom, self.left : self.right]


class Tiling:
    """How pictures are cut.

    Args:
        size: Height and width of a tile, in pixels.
        overlap: Of neighbours, in parts of a tile, at least.
        coarsest: The model's coarsest stride, or patch, in pixels.

    Raises:
        ValueError: If a tile is smaller than that, or the overlap is not
            from 0 to less than 1.
    """

    def __init__(self, size: int, overlap: float, coarsest: int) -> None:
        if size < coarsest:
            raise ValueError(
                f'tile={size} is smaller than the {coarsest} pixels of the '
                "model's coarsest stride"
            )
        if not 0 <= overlap < 1:
            raise ValueError(
                f'overlap={overlap} is not from 0 to less than 1 of a tile'
            )
        self.size, self.overlap = size, overlap

    def windows(self, height: int, width: int) -> list[Window]:
        """The tiles of a picture, row by row.

        All are of one size, so that they make a batch; a side of the picture
        that is shorter than a tile is whole in each.

        Args:
            height: Of the picture, in pixels.
            width: Likewise.
        """
        return [
            Window(left, top, right, bottom)
            for top, bottom in self._spans(height)
            for left, right in self._spans(width)
        ]

    def parts(self, picture: Pixels) -> list[Pixels]:
        """What the model sees of a picture: all of it, in which alone
        objects larger than a tile are whole, then its tiles; a picture no
        larger than a tile, once.

        Args:
            picture: ``(H, W, 3)``.
        """
        tiles = self.windows(*picture.shape[:2])
        if len(tiles) == 1:
            return [picture]
        return [picture, *(each.cut(picture) for each in tiles)]

    def _spans(self, length: int) -> list[tuple[int, int]]:
        """Where tiles begin and end along a side, evenly."""
        room = length - self.size
        if room <= 0:
            return [(0, length)]
        step = max(int(self.size * (1 - self.overlap)), 1)
        count = -(-room // step) + 1
        starts = [room * i // (count - 1) for i in range(count)]
        return [(start, start + self.size) for start in starts]

    def predict(
        self, predict: Predict, pictures: Iterable[Pixels]
    ) -> Iterator[Result]:
        """Results on pictures, from those on their tiles.

        Args:
            predict: The model, on pictures that are not cut.
            pictures: ``(H, W, 3)`` each; read when their tiles are due.
        """
        waiting: deque[tuple[int, int]] = deque()

        def parts() -> Iterator[Pixels]:
            for picture in pictures:
                height, width = picture.shape[:2]
                waiting.append((height, width))
                yield from self.parts(picture)

        results = predict(parts())
        for first in results:
            size = waiting.popleft()
            tiles = self.windows(*size)
            if len(tiles) == 1:
                yield first
                continue
            found = [next(results) for _ in tiles]
            yield _merge(first, found, tiles, size)


def _merge(
    whole: Result,
    found: list[Result],
    tiles: list[Window],
    size: tuple[int, int],
) -> Result:
    if isinstance(whole, LabelMap):
        maps = [each.labels for each in found if isinstance(each, LabelMap)]
        return LabelMap(_nearest_centres(maps, tiles, size), whole.classes)
    seen = Window(0, 0, size[1], size[0])
    parts = [
        Part(window, each)
        for window, each in zip([seen, *tiles], [whole, *found], strict=True)
        if isinstance(each, Detections)
    ]
    return merge_detections(parts, size)


def _nearest_centres(
    maps: list[npt.NDArray[np.int64]],
    tiles: list[Window],
    size: tuple[int, int],
) -> npt.NDArray[np.int64]:
    """Each pixel from the tile in whose middle it is most.

    Logits of all classes need not be kept for all of a large picture, as
    their mean would ask.
    """
    merged = np.empty(size, np.int64)
    columns = _shares([(each.left, each.right) for each in tiles])
    rows = _shares([(each.top, each.bottom) for each in tiles])
    for labels, tile in zip(maps, tiles, strict=True):
        left, right = columns[tile.left]
        top, bottom = rows[tile.top]
        inside = labels[
            top - tile.top : bottom - tile.top,
            left - tile.left : right - tile.left,
        ]
        merged[top:bottom, left:right] = inside
    return merged


def _shares(spans: list[tuple[int, int]]) -> dict[int, tuple[int, int]]:
    """What each of overlapping spans keeps, by where it begins: up to the
    middle of what it shares with the next."""
    ordered = sorted(set(spans))
    middles = [
        (after[0] + before[1]) // 2 for before, after in pairwise(ordered)
    ]
    starts = [ordered[0][0], *middles]
    ends = [*middles, ordered[-1][1]]
    return {
        span[0]: (start, end)
        for span, start, end in zip(ordered, starts, ends, strict=True)
    }
