"""Reads the masks of annotations, without trusting them.

pycocotools reads and writes past its memory where polygons and run lengths
are not what they should be, so all is checked before it is called. It comes
with mmdet, and is imported late, as segmentation does without.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from vitdense.datasets.audit.kinds import Size, shown

Numbers = npt.NDArray[Any]

MALFORMED = 'mask-malformed'

# Polygons farther out than this many image sizes are mistakes, and pycocotools
# would walk along their outlines pixel by pixel.
MAX_FAR = 10
# Bits of a number in compressed run lengths: 5 a character.
MAX_CHARACTERS = 7


class MaskError(ValueError):
    """A mask cannot be used.

    Attributes:
        kind: Which finding it is.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Mask(NamedTuple):
    """A mask that can be used.

    Attributes:
        rle: Compressed run lengths, as pycocotools has them.
        area: In pixels.
        box: Around its pixels: x, y, width, height.
    """

    rle: dict[str, Any]
    area: int
    box: list[float]


def read_mask(segmentation: Any, size: Size) -> Mask:
    """Make run lengths of an annotation's mask.

    Args:
        segmentation: A list of polygons, or run lengths of either form.
        size: Of the image: height, width.

    Raises:
        MaskError: If it is malformed, of another size, or empty.
    """
    from pycocotools import mask as coco_mask

    if isinstance(segmentation, list):
        if not segmentation:
            raise MaskError('mask-empty', 'no polygons')
        polygons = [read_polygon(each, size) for each in segmentation]
        parts = coco_mask.frPyObjects(polygons, *size)
        rle = coco_mask.merge(parts) if len(parts) > 1 else parts[0]
    elif isinstance(segmentation, dict):
        rle = read_run_lengths(segmentation, size)
    else:
        kind = type(segmentation).__name__
        raise MaskError(
            MALFORMED, f'a {kind}, neither polygons nor run lengths'
        )
    area = int(coco_mask.area(rle))
    if not area:
        raise MaskError('mask-empty', 'the mask covers no pixel')
    return Mask(rle, area, coco_mask.toBbox(rle).tolist())


def read_polygon(polygon: Any, size: Size) -> Numbers:
    """The corners of a polygon, x and y in turn.

    Raises:
        MaskError: If it is none.
    """
    if not isinstance(polygon, list):
        kind = type(polygon).__name__
        raise MaskError(MALFORMED, f'a polygon is a {kind}, not a list')
    if len(polygon) < 6 or len(polygon) % 2:
        raise MaskError(
            MALFORMED, f'a polygon has {len(polygon)} numbers, not 6, 8, ...'
        )
    corners = _numbers(polygon)
    if corners is None:
        raise MaskError(MALFORMED, 'a polygon has more than numbers')
    # written so that NaN is far too
    if not np.abs(corners).max() <= MAX_FAR * max(size):
        raise MaskError(MALFORMED, 'a polygon goes far from the image')
    return corners


def read_run_lengths(given: dict[Any, Any], size: Size) -> dict[str, Any]:
    """Compressed run lengths of a mask's run lengths, of either form.

    Raises:
        MaskError: If they are malformed, or of another size.
    """
    if given.get('size') != list(size):
        raise MaskError(
            'mask-size-wrong',
            f'run lengths of size {given.get("size")!r} in an image of '
            f'height and width {list(size)}',
        )
    counts: Any = given.get('counts')
    compressed = isinstance(counts, str)
    numbers = _decompressed(counts) if compressed else _numbers(counts)
    if numbers is None or numbers.dtype.kind == 'f':
        raise MaskError(MALFORMED, f'counts {shown(counts)} cannot be decoded')
    pixels, total = size[0] * size[1], int(numbers.sum())
    if numbers.min() < 0 or numbers.max() > pixels or total != pixels:
        raise MaskError(
            MALFORMED, f'counts add up to {total} pixels, not {pixels}'
        )
    if compressed:
        return {'size': list(size), 'counts': counts.encode()}
    from pycocotools import mask as coco_mask

    rle: dict[str, Any] = coco_mask.frPyObjects(given, *size)
    return rle


def _numbers(values: Any) -> Numbers | None:
    """A list of numbers; None if it is something else."""
    try:
        numbers = np.array(values)
    except ValueError:
        return None
    plain = numbers.ndim == 1 and numbers.dtype.kind in 'iuf'
    return numbers if plain else None


def _decompressed(counts: str) -> Numbers | None:
    """The numbers of compressed run lengths, None if they are not such.

    Each character holds five bits, the lowest first, and whether more follow;
    from the fourth on, a number is the difference to that two before.
    """
    try:
        codes = np.frombuffer(counts.encode('ascii'), np.uint8).astype(int)
    except UnicodeEncodeError:
        return None
    codes -= 48
    more = (codes & 0x20) > 0
    if not len(codes) or codes.min() < 0 or codes.max() > 63 or more[-1]:
        return None
    last = np.flatnonzero(~more)
    first = np.concatenate([[0], last[:-1] + 1])
    length = last - first + 1
    if length.max() > MAX_CHARACTERS:
        return None
    shift = 5 * (np.arange(len(codes)) - np.repeat(first, length))
    numbers = np.add.reduceat((codes & 0x1F) << shift, first)
    # the highest bit is the sign
    numbers -= ((codes[last] & 0x10) > 0) * (1 << 5 * length)
    numbers[1::2] = numbers[1::2].cumsum()
    numbers[2::2] = numbers[2::2].cumsum()
    return numbers
