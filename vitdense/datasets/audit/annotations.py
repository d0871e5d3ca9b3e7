"""Looks at single annotations: box, mask, area and crowd flag.

Boxes are x, y, width, height in pixels; sizes are height, width.
"""

from collections.abc import Iterator, Mapping
from sys import float_info
from typing import Any, TypeGuard

from vitdense.datasets.audit.kinds import Fault, Size, shown
from vitdense.datasets.audit.masks import (
    Mask,
    MaskError,
    read_mask,
)

# What annotators' tools round away: COCO's boxes are cut at two decimals, its
# areas are those of the polygons, before they become pixels.
SLACK_PX = 1.0
# Masks reach beyond COCO's own boxes by up to a pixel.
BOX_SLACK_PX = 2.0
AREA_SLACK_PX = 40.0
AREA_SLACK = 0.25

READ_KEYS = ('bbox', 'area', 'iscrowd')


def faults_of(
    annotation: Mapping[str, Any], size: Size | None, masks: bool
) -> Iterator[Fault]:
    """Kinds of findings, each with what is there.

    Args:
        annotation: As the file has it.
        size: Of its image; None where that is not known, which leaves out
            what needs it.
        masks: Whether annotations of this file have masks.
    """
    for key in READ_KEYS:
        if key not in annotation:
            yield 'key-missing', f'no {key!r}'
    box: Any = annotation.get('bbox')
    box_fault = fault_of_box(box, size) if 'bbox' in annotation else None
    if box_fault:
        yield box_fault
    yield from _faults_of_crowd(annotation)
    mask = None
    if masks and not annotation.get('segmentation'):
        yield 'mask-missing', 'no mask, where others have one'
    elif masks and size is not None:
        try:
            mask = read_mask(annotation['segmentation'], size)
        except MaskError as error:
            yield error.kind, str(error)
    whole = 'bbox' in annotation and box_fault is None
    if mask is not None and whole and not in_box(mask, box):
        yield (
            'mask-outside-box',
            f'the mask spans {_rounded(mask.box)}, the box is {_rounded(box)}',
        )
    if 'area' in annotation:
        # areas of COCO's crowds are not those of their masks
        crowd = annotation.get('iscrowd') == 1
        yield from _faults_of_area(
            annotation['area'],
            None if crowd else mask,
            box if whole else None,
        )


def fault_of_box(box: Any, size: Size | None) -> Fault | None:
    """The worst that is wrong with a box; None if nothing."""
    if not is_box(box):
        return 'box-malformed', f'box {shown(box)}'
    x, y, width, height = box
    if width <= 0 or height <= 0:
        return 'box-empty', f'box {box}'
    if size is not None:
        high, wide = size
        inside = box_in_image(box, size)
        if inside[2] <= 0 or inside[3] <= 0:
            return 'box-outside', f'box {box} in an image of {wide} x {high}'
        beyond = max(-x, -y, x + width - wide, y + height - high)
        if beyond > SLACK_PX:
            return (
                'box-over-edge',
                f'box {box} in an image of {wide} x {high}',
            )
    if width < 1 or height < 1:
        return 'box-tiny', f'box {box}'
    return None


def is_box(box: Any) -> TypeGuard[list[Any]]:
    """Whether something is four finite numbers."""
    return (
        isinstance(box, list)
        and len(box) == 4
        and all(is_number(each) for each in box)
    )


def is_number(value: Any) -> bool:
    """Whether a value of JSON is a finite number."""
    # integers of JSON may be larger than any float; NaN compares to nothing
    return type(value) in (int, float) and abs(value) <= float_info.max


def is_whole(value: Any) -> TypeGuard[int]:
    """Whether a value of JSON is an integer."""
    return type(value) is int


def box_in_image(box: list[Any], size: Size) -> list[Any]:
    """The part of a box that is in the image; sides below 0 are outside."""
    x, y, width, height = box
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + width, size[1]), min(y + height, size[0])
    return [left, top, right - left, bottom - top]


def in_box(mask: Mask, box: list[Any]) -> bool:
    """Whether a mask keeps to its box, but for what rounding does."""
    x, y, width, height = box
    left, top, wide, high = mask.box
    return bool(
        left >= x - BOX_SLACK_PX
        and top >= y - BOX_SLACK_PX
        and left + wide <= x + width + BOX_SLACK_PX
        and top + high <= y + height + BOX_SLACK_PX
    )


def _faults_of_crowd(annotation: Mapping[str, Any]) -> Iterator[Fault]:
    if 'iscrowd' not in annotation:
        return
    crowd = annotation['iscrowd']
    if isinstance(crowd, list | dict) or crowd not in (0, 1):
        yield 'crowd-flag-invalid', f'iscrowd {shown(crowd)}'
    elif crowd and _has_polygons(annotation):
        yield 'crowd-polygon', 'iscrowd 1 with polygons'


def _has_polygons(annotation: Mapping[str, Any]) -> bool:
    mask = annotation.get('segmentation')
    return isinstance(mask, list) and bool(mask)


def _faults_of_area(
    area: Any, mask: Mask | None, box: list[Any] | None
) -> Iterator[Fault]:
    if not is_number(area) or area <= 0:
        yield 'area-invalid', f'area {shown(area)}'
    elif mask is not None:
        if abs(area - mask.area) > AREA_SLACK_PX + AREA_SLACK * mask.area:
            yield 'area-wrong', f'area {area}, the mask has {mask.area}'
    elif box is not None:
        largest = box[2] * box[3]
        if area > AREA_SLACK_PX + (1 + AREA_SLACK) * largest:
            yield 'area-wrong', f'area {area}, the box has {largest}'


def _rounded(box: list[Any]) -> list[float]:
    return [round(each, 2) for each in box]
