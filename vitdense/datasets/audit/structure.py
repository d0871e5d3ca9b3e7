"""Looks at what an annotation file lists, and at how entries name another."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vitdense.datasets.audit.annotations import is_whole
from vitdense.datasets.audit.kinds import Finding, Size, shown

# OpenCV decodes nothing larger.
MAX_SIDE_PX = 1 << 20

Content = Mapping[str, list[Any]]


def findings_of_lists(
    content: Content, classes: Sequence[str]
) -> Iterator[Finding]:
    """What is wrong with images, categories, and ids of annotations.

    Args:
        content: The annotation file's, with its three lists.
        classes: The config's; empty for all that the file has.
    """
    for name in ('categories', 'images', 'annotations'):
        for index, each in enumerate(content[name]):
            if not isinstance(each, dict):
                yield Finding(
                    'entry-malformed', f'{name}[{index}]', shown(each)
                )
    yield from _of_categories(content, classes)
    yield from _of_images(content)
    yield from _of_annotations(content)


def entries(content: Content, name: str) -> Iterator[tuple[int, Any]]:
    """The entries of a list that are objects, and where they stand."""
    for index, each in enumerate(content[name]):
        if isinstance(each, dict):
            yield index, each


def image_sizes(content: Content) -> dict[int, Size | None]:
    """Height and width of images by id, None where they are no sizes."""
    return {
        each['id']: size_of(each)
        for _, each in entries(content, 'images')
        if is_whole(each.get('id'))
    }


def size_of(image: Mapping[str, Any]) -> Size | None:
    """Height and width of an image entry, None if they are no sizes."""
    height, width = image.get('height'), image.get('width')
    if not is_whole(height) or not is_whole(width):
        return None
    possible = 0 < min(height, width) <= max(height, width) <= MAX_SIDE_PX
    return (height, width) if possible else None


def has_masks(content: Content) -> bool:
    """Whether a file is one of masks: boxes alone have none, or empty."""
    return any(
        each.get('segmentation') for _, each in entries(content, 'annotations')
    )


class Repeats:
    """Tells which annotations say what an earlier one has said."""

    def __init__(self) -> None:
        self._seen: dict[str, list[tuple[int, Any]]] = {}

    def earlier(self, index: int, annotation: Mapping[str, Any]) -> int | None:
        """Where an annotation stood that is the same; None for nowhere."""
        keys = ('image_id', 'category_id', 'bbox', 'iscrowd')
        key = repr([annotation.get(key) for key in keys])
        mask = annotation.get('segmentation')
        alike = self._seen.setdefault(key, [])
        for first, other in alike:
            if other == mask:
                return first
        alike.append((index, mask))
        return None


def _of_ids(content: Content, name: str, kind: str) -> Iterator[Finding]:
    """Ids that are none, and those that entries of a list share."""
    counted = Counter(
        each['id']
        for _, each in entries(content, name)
        if is_whole(each.get('id'))
    )
    for index, each in entries(content, name):
        place, number = f'{name}[{index}]', each.get('id')
        if not is_whole(number):
            what = f'id {shown(number)}' if 'id' in each else 'no id'
            yield Finding(f'{kind}-id-invalid', place, what)
        elif counted[number] > 1:
            times = f'one of {counted[number]} with this id'
            yield Finding(f'{kind}-id-duplicate', place, times, number)


def _of_categories(
    content: Content, classes: Sequence[str]
) -> Iterator[Finding]:
    yield from _of_ids(content, 'categories', 'category')
    ids: dict[str, Any] = {}
    for index, each in entries(content, 'categories'):
        place, name, number = (
            f'categories[{index}]',
            each.get('name'),
            each.get('id'),
        )
        if not isinstance(name, str):
            what = f'name {shown(name)}'
            yield Finding('category-name-invalid', place, what, number)
        elif ids.setdefault(name, number) != number:
            what = f'{shown(name)} is that of id {ids[name]!r} too'
            yield Finding('category-name-duplicate', place, what, number)
    for name in classes:
        if name not in ids:
            yield Finding(
                'class-without-category',
                'categories',
                f'none is named {shown(name)}; choose from {sorted(ids)}',
            )


def _of_images(content: Content) -> Iterator[Finding]:
    yield from _of_ids(content, 'images', 'image')
    ids: dict[str, Any] = {}
    for index, each in entries(content, 'images'):
        place, number = f'images[{index}]', each.get('id')
        for key in ('file_name', 'height', 'width'):
            if key not in each:
                yield Finding('key-missing', place, f'no {key!r}', number)
        if 'height' in each and 'width' in each and size_of(each) is None:
            what = f'width {each["width"]!r}, height {each["height"]!r}'
            yield Finding('image-size-invalid', place, what, number)
        name = each.get('file_name')
        if not isinstance(name, str):
            if 'file_name' in each:
                what = f'file_name {shown(name)} is no text'
                yield Finding('key-missing', place, what, number)
        elif ids.setdefault(name, number) != number:
            what = f'{shown(name)} is listed as id {ids[name]!r} too'
            yield Finding('file-name-duplicate', place, what, number)


def _of_annotations(content: Content) -> Iterator[Finding]:
    yield from _of_ids(content, 'annotations', 'annotation')
    known = {
        name: {
            each['id']
            for _, each in entries(content, name)
            if is_whole(each.get('id'))
        }
        for name in ('images', 'categories')
    }
    repeats = Repeats()
    for index, each in entries(content, 'annotations'):
        place, number = f'annotations[{index}]', each.get('id')
        if is_whole(number) and number == 0:
            yield Finding('annotation-id-zero', place, 'id 0', number)
        for key, name in (
            ('image_id', 'images'),
            ('category_id', 'categories'),
        ):
            value = each.get(key)
            if not is_whole(value) or value not in known[name]:
                kind = key.replace('_id', '-unknown')
                yield Finding(kind, place, f'{key} {shown(value)}', number)
        first = repeats.earlier(index, each)
        if first is not None:
            what = f'the same as annotations[{first}]'
            yield Finding('annotation-duplicate', place, what, number)
