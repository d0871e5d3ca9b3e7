"""Makes of an annotation file what a cleaned copy has in its place."""

import os.path
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from vitdense.datasets.audit.annotations import (
    box_in_image,
    faults_of,
    is_box,
    is_whole,
)
from vitdense.datasets.audit.kinds import ERROR, KINDS, Fault, Size
from vitdense.datasets.audit.masks import (
    Mask,
    MaskError,
    read_mask,
    read_polygon,
)
from vitdense.datasets.audit.parallel import spread
from vitdense.datasets.audit.pictures import (
    Picture,
    can_turn,
    fault_of_look,
)
from vitdense.datasets.audit.sets import Checked, CocoSet
from vitdense.datasets.audit.structure import (
    Content,
    Repeats,
    entries,
    has_masks,
    image_sizes,
    size_of,
)

Entry = dict[str, Any]
Ids = dict[int, int]


def mended_file(
    data: CocoSet, checked: Checked, processes: int
) -> dict[str, Any]:
    """What a cleaned annotation file says.

    Args:
        data: The data set.
        checked: What was seen of it, pictures too.
        processes: How many do it.

    Raises:
        ValueError: If people have to decide, or nothing is left.
    """
    _refuse(checked)
    categories, category_of = _categories(data.content)
    images, image_of = _images(data, checked)
    if not images:
        raise ValueError(f'{data.file}: no image is left for a cleaned copy')
    content: dict[str, Any] = {
        **data.content,
        'categories': categories,
        'images': images,
    }
    kept = _annotations(data.content, image_of, category_of)
    work = partial(
        mended_annotation,
        sizes=image_sizes(content),
        masks=has_masks(data.content),
    )
    title = f'mending {data.file.name}'
    mended = spread(work, list(kept), processes, title)
    content['annotations'] = _numbered(_once(mended))
    return content


def _refuse(checked: Checked) -> None:
    for finding in checked.findings:
        kind = KINDS[finding.kind]
        if kind.severity == ERROR and not kind.cure:
            raise ValueError(
                f'{checked.data.place}: {finding} ({finding.kind}) has to be '
                'decided by people; mend it and run this again'
            )


def _categories(content: Content) -> tuple[list[Entry], Ids]:
    """Categories, and the ids that theirs become."""
    kept: list[Entry] = []
    names: dict[str, int] = {}
    ids: Ids = {}
    of_id: dict[int, str] = {}
    for index, each in entries(content, 'categories'):
        number, name = each['id'], each['name']
        if of_id.setdefault(number, name) != name:
            raise ValueError(
                f'categories[{index}]: id {number} is {of_id[number]!r} and '
                f'{name!r}; people have to decide which'
            )
        if name not in names:
            kept.append(each)
        ids[number] = names.setdefault(name, number)
    return kept, ids


def _images(data: CocoSet, checked: Checked) -> tuple[list[Entry], Ids]:
    """Images, and the ids that theirs become."""
    named: dict[int, set[str]] = {}
    for _, each in entries(data.content, 'images'):
        if is_whole(each.get('id')):
            named.setdefault(each['id'], set()).add(str(each.get('file_name')))
    kept: list[Entry] = []
    names: dict[str, int] = {}
    ids: Ids = {}
    for _, each in entries(data.content, 'images'):
        path, number = data.path(each), each.get('id')
        if path is None or path in checked.shared:
            continue
        if not is_whole(number) or len(named[number]) > 1:
            continue
        size = _size_in_copy(path, each, checked.looks[path])
        if size is None:
            continue
        # in a copy, paths from elsewhere would lead back to the original
        name: str = each['file_name']
        if os.path.isabs(name):
            name = os.path.relpath(path, data.folder)
        if name not in names:
            height, width = size
            entry = {'file_name': name, 'height': height, 'width': width}
            kept.append({**each, **entry})
        ids[number] = names.setdefault(name, number)
    return kept, ids


def _size_in_copy(
    path: Path, image: Mapping[str, Any], look: Picture | Fault
) -> Size | None:
    """Height and width that a picture will have; None to leave it out."""
    fault = fault_of_look(look, size_of(image))
    if not isinstance(look, Picture):
        return None
    if fault is not None and fault[0] == 'image-turned':
        return look.stored if can_turn(path) else None
    return look.size


def _annotations(
    content: Content, image_of: Ids, category_of: Ids
) -> Iterator[Entry]:
    """Annotations of images and categories that there are."""
    for _, each in entries(content, 'annotations'):
        image, category = each.get('image_id'), each.get('category_id')
        if (
            is_whole(image)
            and is_whole(category)
            and image in image_of
            and category in category_of
        ):
            yield {
                **each,
                'image_id': image_of[image],
                'category_id': category_of[category],
            }


def mended_annotation(
    annotation: Entry, sizes: Mapping[int, Size | None], masks: bool
) -> Entry | None:
    """An annotation without faults; None if it cannot be had.

    Args:
        annotation: As the file has it.
        sizes: Of the images, by id.
        masks: Whether annotations of this file have masks.
    """
    size = sizes[annotation['image_id']]
    if size is None:
        return None
    kinds = {kind for kind, _ in faults_of(annotation, size, masks)}
    if not kinds:
        return annotation
    new = dict(annotation)
    mask = _mend_mask(new, size) if masks else None
    if masks and mask is None:
        return None
    if 'crowd-flag-invalid' in kinds or 'iscrowd' not in new:
        new['iscrowd'] = 0
    if 'crowd-polygon' in kinds and mask is not None:
        counts = mask.rle['counts'].decode()
        new['segmentation'] = {'size': list(size), 'counts': counts}
    if 'box-over-edge' in kinds:
        new['bbox'] = box_in_image(new['bbox'], size)
    elif mask is not None and (
        not is_box(new.get('bbox'))
        or kinds & {'box-empty', 'box-outside', 'mask-outside-box'}
    ):
        new['bbox'] = mask.box
    if not is_box(new.get('bbox')):
        return None
    left = {kind for kind, _ in faults_of(new, size, masks)}
    if 'area' not in new or left & {'area-invalid', 'area-wrong'}:
        wide, high = new['bbox'][2:]
        new['area'] = wide * high if mask is None else mask.area
    return None if any(faults_of(new, size, masks)) else new


def _mend_mask(new: Entry, size: Size) -> Mask | None:
    """Leave out polygons that are none; None if there is no mask then."""
    given = new.get('segmentation')
    if isinstance(given, list):
        whole = [each for each in given if _is_polygon(each, size)]
        if len(whole) < len(given):
            new['segmentation'] = whole
    try:
        return read_mask(new['segmentation'], size) if given else None
    except MaskError:
        return None


def _is_polygon(given: Any, size: Size) -> bool:
    try:
        read_polygon(given, size)
    except MaskError:
        return False
    return True


def _once(annotations: Iterator[Entry | None]) -> Iterator[Entry]:
    repeats = Repeats()
    for index, each in enumerate(annotations):
        if each is not None and repeats.earlier(index, each) is None:
            yield each


def _numbered(annotations: Iterator[Entry]) -> list[Entry]:
    """Annotations with an id each, their own where it is one."""
    kept = list(annotations)
    given = [each['id'] for each in kept if is_whole(each.get('id'))]
    free = max([0, *given]) + 1
    taken: set[int] = {0}
    for index, each in enumerate(kept):
        number = each.get('id')
        if not is_whole(number) or number in taken:
            kept[index] = {**each, 'id': free}
            free += 1
        else:
            taken.add(number)
    return kept
