"""Refuses entries of COCO annotation files that mmdet cannot read.

mmdet reads them without asking, so that what is missing or of another kind
ends a training with a ``KeyError``, or only at its first evaluation.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import isnan
from typing import Any, NamedTuple

from vitdense.datasets.audit.annotations import is_box, is_number
from vitdense.datasets.audit.kinds import Size, shown
from vitdense.datasets.audit.masks import MaskError, read_run_lengths

LEAST_POLYGON = 6  # three points
# Beyond is a slip of the pen. Polygons are drawn step by step: from far away
# it takes for ever.
LARGEST_SIZE = 10**6
LARGEST = 10**9
LARGEST_ID = 2**63


class Rule(NamedTuple):
    """What a field of an entry has to be."""

    field: str
    fits: Callable[[Any], bool]
    wanted: str
    optional: bool = False


def _is_number(value: Any) -> bool:
    return is_number(value) and abs(value) < LARGEST


def _is_id(value: Any) -> bool:
    whole = type(value) is int and -LARGEST_ID < value < LARGEST_ID
    return whole or isinstance(value, str)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 < value <= LARGEST_SIZE


def _is_flag(value: Any) -> bool:
    return value in (0, 1)


def _is_box(value: Any) -> bool:
    return is_box(value) and all(map(_is_number, value))


ID = Rule('id', _is_id, 'an integer or a string')
RULES = {
    'images': (
        ID,
        Rule('file_name', _is_text, 'a file'),
        Rule('width', _is_size, 'a positive integer'),
        Rule('height', _is_size, 'a positive integer'),
    ),
    'categories': (ID, Rule('name', _is_text, 'a name')),
    'annotations': (
        ID,
        Rule('image_id', _is_id, 'the id of an image'),
        Rule('category_id', _is_id, 'the id of a category'),
        Rule('bbox', _is_box, 'four numbers: x, y, width, height'),
        Rule('area', _is_number, 'a number'),
        Rule('iscrowd', _is_flag, '0 or 1', optional=True),
    ),
}


def check_entries(
    key: str,
    path: str,
    content: Mapping[str, Sequence[Any]],
    *,
    masks: bool = False,
    scored: bool = False,
) -> None:
    """See that every entry has what mmdet and COCO's figures read of it.

    Args:
        key: Where the config names the file, for errors.
        path: The file.
        content: What it holds, as ``CocoReader`` gives it.
        masks: Whether masks are read.
        scored: Whether predictions are scored against it, for which more
            is read.

    Raises:
        ValueError: If one has not, naming entry, field and value.
    """
    for kind, rules in RULES.items():
        entries = content.get(kind, ())
        for fault in _faults(entries, rules, scored):
            raise ValueError(f'{key}: {path!r}: {kind}{fault}')
        _check_ids(f'{key}: {path!r}: {kind}', entries)
    sizes = {
        each['id']: (each['height'], each['width'])
        for each in content['images']
    }
    categories = {each['id'] for each in content['categories']}
    for index, each in enumerate(content.get('annotations', ())):
        fault = ''
        if each['category_id'] not in categories:
            fault = (
                f'category_id={each["category_id"]!r}; choose from '
                f'{sorted(categories)}'
            )
        elif each['image_id'] not in sizes:
            fault = (
                f'image_id={each["image_id"]!r}, which is not among its images'
            )
        elif masks and not each.get('ignore'):
            size = sizes[each['image_id']]
            fault = _mask_fault(each.get('segmentation'), size, scored)
        if fault:
            raise ValueError(
                f'{key}: {path!r}: annotations[{index}] (id {each["id"]!r}) '
                f'has {fault}'
            )


def _faults(
    entries: Sequence[Any], rules: Sequence[Rule], scored: bool
) -> Iterator[str]:
    for index, each in enumerate(entries):
        if not isinstance(each, dict):
            yield f'[{index}] is {shown(each)}, not a mapping'
            return
        for field, fits, wanted, optional in rules:
            if optional and not scored and field not in each:
                continue
            if not fits(each.get(field)):
                name = f' (id {each["id"]!r})' if field != 'id' else ''
                has = (
                    f'has {field}={shown(each[field])}'
                    if field in each
                    else f'has no {field}'
                )
                yield f'[{index}]{name} {has}; it needs {wanted}'


def _check_ids(place: str, entries: Sequence[Mapping[str, Any]]) -> None:
    ids = [each['id'] for each in entries]
    if len({type(each) for each in ids}) > 1:
        raise ValueError(f'{place}: some ids are integers, others strings')
    seen = set()
    for index, each in enumerate(ids if len(set(ids)) < len(ids) else ()):
        if each in seen:
            raise ValueError(f'{place}[{index}]: id {each!r} is there twice')
        seen.add(each)


def _mask_fault(mask: Any, size: Size, scored: bool) -> str:
    """What is wrong with a mask of a picture of (H, W) pixels, if anything.

    Training takes polygons of too few points for what is to be ignored.
    """
    if isinstance(mask, dict):
        try:
            read_run_lengths(mask, size)
        except MaskError as error:
            return f'a mask that is malformed: {error}'
        return ''
    if not isinstance(mask, list) or not mask:
        return f'segmentation={shown(mask)}; it needs polygons or runs'
    for polygon in mask:
        if not _is_polygon(polygon):
            return f'the polygon {shown(polygon)}, no list of numbers'
        if scored and (len(polygon) < LEAST_POLYGON or len(polygon) % 2):
            return (
                f'the polygon {shown(polygon)} of {len(polygon)} numbers; '
                f'it needs an even number of them, {LEAST_POLYGON} or more'
            )
    return ''


def _is_polygon(value: Any) -> bool:
    return (
        isinstance(value, list)
        and {*map(type, value)} <= {int, float}
        and max(map(abs, value), default=0) <= LARGEST_SIZE
        and not isnan(sum(value))  # a maximum passes over it
    )
