"""Reads the masks of annotations, without trusting them.

pycocotools reads and writes past its memory where polygons and run lengths
are not what they should be, so all is checked before it is called.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

Size = tuple[int, int]  # height, width

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
    if isinstance(segmentation, list):
        for index, polygon in enumerate(segmentation):
            fault = polygon_fault(polygon, size)
            if fault:
                raise MaskError('mask-malformed', f'polygon {index} {fault}')
        if not segmentation:
            raise MaskError('mask-empty', 'no polygons')
        parts = coco_mask.frPyObjects(segmentation, *size)
        rle = coco_mask.merge(parts) if len(parts) > 1 else parts[0]
    elif isinstance(segmentation, dict):
        rle = _read_run_lengths(segmentation, size)
    else:
        kind = type(segmentation).__name__
        raise MaskError(
            'mask-malformed', f'a {kind}, neither polygons nor run lengths'
        )
    area = int(coco_mask.area(rle))
    if not area:
        raise MaskError('mask-empty', 'the mask covers no pixel')
    return Mask(rle, area, coco_mask.toBbox(rle).tolist())


def polygon_fault(polygon: Any, size: Size) -> str:
    """What is wrong with a polygon, x and y in turn; empty if nothing."""
    if not isinstance(polygon, list):
        return f'is a {type(polygon).__name__}, not a list of numbers'
    if len(polygon) < 6 or len(polygon) % 2:
        return f'has {len(polygon)} numbers, not three pairs or more'
    try:
        values = np.array(polygon)
    except ValueError:
        values = np.array(None)
    if values.dtype.kind not in 'iuf':
        return 'has something else than numbers'
    # written so that NaN is far too
    if not (np.abs(values) <= MAX_FAR * max(size)).all():
        return 'has a point far from the image'
    return ''


def _read_run_lengths(given: dict[Any, Any], size: Size) -> dict[str, Any]:
    if given.get('size') != list(size):
        raise MaskError(
            'mask-size-wrong',
            f'run lengths of size {given.get("size")!r} in an image of '
            f'height and width {list(size)}',
        )
    counts = given.get('counts')
    if isinstance(counts, str):
        numbers = _decompressed(counts)
    else:
        try:
            numbers = np.array(counts)
        except ValueError:
            numbers = np.array(None)
    if numbers is None or numbers.dtype.kind not in 'iu' or numbers.ndim != 1:
        raise MaskError('mask-malformed', 'counts cannot be decoded')
    pixels, total = size[0] * size[1], int(numbers.sum())
    if numbers.min() < 0 or numbers.max() > pixels or total != pixels:
        raise MaskError(
            'mask-malformed', f'counts add up to {total} pixels, not {pixels}'
        )
    if isinstance(counts, str):
        return {'size': list(size), 'counts': counts.encode()}
    rle: dict[str, Any] = coco_mask.frPyObjects(given, *size)
    return rle


def _decompressed(counts: str) -> npt.NDArray[np.int64] | None:
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
