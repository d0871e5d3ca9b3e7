"""Runs every check on some data sets."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from vitdense.datasets.audit.annotations import faults_of, is_whole
from vitdense.datasets.audit.kinds import Fault, Finding, Size
from vitdense.datasets.audit.label_maps import (
    LabelRule,
    faults_of_map,
    read_label_map,
)
from vitdense.datasets.audit.parallel import spread
from vitdense.datasets.audit.pictures import (
    Picture,
    PixelError,
    fault_of_look,
    read_picture,
    turn_fault,
)
from vitdense.datasets.audit.sets import (
    AnySet,
    Checked,
    CocoSet,
    LabelSet,
    Pair,
)
from vitdense.datasets.audit.sharing import find_shared
from vitdense.datasets.audit.structure import (
    entries,
    findings_of_lists,
    has_masks,
    image_sizes,
    size_of,
)


def check(
    sets: Sequence[AnySet], processes: int, pictures: bool = True
) -> list[Checked]:
    """Look at data sets.

    Args:
        sets: The data sets.
        processes: How many do it.
        pictures: Whether pictures are opened; label maps always are.
    """
    checked = [
        check_coco(each, processes, pictures)
        if isinstance(each, CocoSet)
        else check_labels(each, processes, pictures)
        for each in sets
    ]
    find_shared(checked)
    return checked


def check_coco(data: CocoSet, processes: int, pictures: bool) -> Checked:
    """Look at an annotation file, and at its pictures."""
    checked = Checked(data)
    checked.findings += findings_of_lists(data.content, data.classes)
    work = partial(
        _faults_of_entry,
        sizes=image_sizes(data.content),
        masks=has_masks(data.content),
    )
    items = list(entries(data.content, 'annotations'))
    title = f'annotations of {data.file.name}'
    for (index, each), faults in zip(
        items, spread(work, items, processes, title), strict=True
    ):
        place = f'annotations[{index}]'
        checked.findings += (
            Finding(kind, place, detail, each.get('id'))
            for kind, detail in faults
        )
    if pictures:
        paths = data.pictures()
        looks = spread(look_at, paths, processes, f'pictures of {data.folder}')
        checked.looks = dict(zip(paths, looks, strict=True))
        checked.findings += _findings_of_pictures(data, checked)
    return checked


def _faults_of_entry(
    item: tuple[int, Any], sizes: dict[int, Size | None], masks: bool
) -> list[Fault]:
    image = item[1].get('image_id')
    size = sizes.get(image) if is_whole(image) else None
    return list(faults_of(item[1], size, masks))


def look_at(path: Path) -> Picture | Fault:
    """A picture, or what is wrong with its file."""
    try:
        return read_picture(path)
    except PixelError as error:
        return f'image-{error.fault}', str(error)


def _findings_of_pictures(
    data: CocoSet, checked: Checked
) -> Iterator[Finding]:
    for _, each in entries(data.content, 'images'):
        path = data.path(each)
        if path is None:
            continue
        fault = fault_of_look(checked.looks[path], size_of(each))
        if fault is not None:
            kind, detail = fault
            yield Finding(kind, str(path), detail, each.get('id'))


def check_labels(data: LabelSet, processes: int, pictures: bool) -> Checked:
    """Look at label maps, and at their pictures."""
    checked = Checked(data)
    work = partial(_look_at_pair, rule=data.rule, pictures=pictures)
    title = f'label maps of {data.label_folder}'
    looks = {}
    for pair, (look, faults) in zip(
        data.pairs,
        spread(work, data.pairs, processes, title),
        strict=True,
    ):
        if look is not None:
            looks[pair.image] = look
        for kind, detail in faults:
            of_map = kind.startswith('label')
            path = pair.labels if of_map else pair.image
            checked.findings.append(Finding(kind, str(path), detail))
    checked.looks = looks
    return checked


def _look_at_pair(
    pair: Pair, rule: LabelRule, pictures: bool
) -> tuple[Picture | Fault | None, list[Fault]]:
    look = look_at(pair.image) if pictures else None
    faults: list[Fault] = []
    sizes: list[Size] = []
    if isinstance(look, Picture):
        sizes = [look.size, look.stored]
    elif look is not None:
        faults.append(look)
    if pair.labels is None:
        return look, faults
    try:
        found = read_label_map(pair.labels)
    except PixelError as error:
        return look, [*faults, (f'label-map-{error.fault}', str(error))]
    faults += faults_of_map(found, rule, sizes)
    if isinstance(look, Picture):
        turned = turn_fault(look, found.size)
        faults += [turned] if turned else []
    return look, faults
