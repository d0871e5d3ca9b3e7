"""Pictures with label maps: PNGs whose pixels are numbers of classes."""

from functools import partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from vitdense.datasets.audit.label_maps import (
    LabelRule,
    faults_of_map,
    read_label_map,
)
from vitdense.datasets.audit.parallel import available_processes, spread
from vitdense.datasets.audit.pictures import PixelError
from vitdense.projects.folder import DataFolder, below, size_of, split_of
from vitdense.projects.found import SEGMENTATION, Found, LabelPart, Sample
from vitdense.projects.layouts.layout import Ask, Layout

# Names of folders of pictures and of label maps, in lower case.
IMAGES = ('images', 'image', 'imgs', 'img', 'jpegimages', 'pictures')
LABELS = ('masks', 'mask', 'labels', 'annotations', 'segmentationclass')
IGNORED = 255
NAME_FILE = 'classes.txt'
USABLE = 'label-map-palette'


class Pair(NamedTuple):
    """A picture and its label map, each a folder and a path in it."""

    folder: PurePosixPath
    picture: PurePosixPath
    label_folder: PurePosixPath
    label: PurePosixPath


class LabelMaps(Layout):
    """images/a.jpg and masks/a.png, also with folders of splits around or
    inside."""

    name = 'label maps'
    task = SEGMENTATION
    wanted = 'masks/NAME.png for images/NAME.jpg'

    def is_of(self, folder: DataFolder) -> bool:
        """Whether a picture has a label map."""
        return bool(_pairs(folder))

    def read(self, folder: DataFolder, ask: Ask) -> Found:
        """Read all label maps; splits are those that folders name."""
        classes = _names(folder, ask)
        pairs = _pairs(folder)
        rule = LabelRule.of_classes(
            len(classes), IGNORED, ask.reduce_zero_label
        )
        work = partial(_sample, root=folder.root, rule=rule)
        title = f'label maps of {folder.root}'
        processes = available_processes() if len(pairs) > 64 else 1
        by_split: dict[str, list[tuple[Pair, Sample]]] = {}
        for pair, sample in zip(
            pairs, spread(work, pairs, processes, title), strict=True
        ):
            if isinstance(sample, str):
                raise ValueError(sample)
            split = '' if ask.pool else split_of(pair.picture.parent) or ''
            by_split.setdefault(split, []).append((pair, sample))
        paired = {pair.picture for pair in pairs}
        labels = {pair.label for pair in pairs}
        left = [p for p in folder.pictures if p not in paired | labels]
        notes = [
            f'{len(left)} pictures without a label map are left out, such as '
            f'{each}'
            for each in left[:1]
        ]
        return Found(
            root=folder.root,
            layout=self.name,
            classes=classes,
            parts={
                split: _part(each, ask.reduce_zero_label)
                for split, each in by_split.items()
            },
            notes=tuple(notes),
        )


LAYOUT = LabelMaps()


def _pairs(folder: DataFolder) -> list[Pair]:
    maps = {}
    for path in folder.ending('.png'):
        for index, part in enumerate(path.parts[:-1]):
            if part.lower() in LABELS:
                key = (path.parts[:index], path.parts[index + 1 : -1])
                maps[key, path.stem] = (index, path)
    found = []
    for path in folder.pictures:
        for index, part in enumerate(path.parts[:-1]):
            if part.lower() not in IMAGES:
                continue
            key = (path.parts[:index], path.parts[index + 1 : -1])
            label = maps.get((key, path.stem))
            if label is not None:
                own = PurePosixPath(*path.parts[: index + 1])
                base = PurePosixPath(*label[1].parts[: label[0] + 1])
                found.append(Pair(own, path, base, label[1]))
                break
    return found


def _names(folder: DataFolder, ask: Ask) -> tuple[str, ...]:
    if ask.names is not None:
        return tuple(ask.names)
    for path in folder.files:
        if path.name == NAME_FILE:
            lines = (folder.root / path).read_text().splitlines()
            return tuple(each.strip() for each in lines if each.strip())
    raise ValueError(
        f'--data: nothing in {str(folder.root)!r} names the classes of the '
        f'label maps; it takes a {NAME_FILE} with a name on each line, or '
        '--classes FILE'
    )


def _sample(pair: Pair, root: Path, rule: LabelRule) -> Sample | str:
    """What a label map shows, or what is wrong with it."""
    path = root / pair.label
    try:
        size = size_of(root / pair.picture)
        found = read_label_map(path)
    except PixelError as error:
        return f'{path}: {error}'
    except ValueError as error:
        return str(error)
    for kind, detail in faults_of_map(found, rule, [size]):
        if kind == 'label-map-rgb':
            return f'{path}: {detail}; a label map has one'
        if kind != USABLE:
            return f'{path}: {detail}'
    first = 1 if rule.reduce_zero_label else 0
    shown = np.unique(found.labels)
    return Sample(
        size,
        frozenset(
            int(each) - first
            for each in shown
            if each >= first and each != rule.ignore_index
        ),
    )


def _part(pairs: list[tuple[Pair, Sample]], reduce_zero: bool) -> LabelPart:
    """Pairs of a split, which mmseg finds by one folder and one suffix.

    Raises:
        ValueError: If there are several.
    """
    for what, several in (
        ('are in', sorted({str(pair.folder) for pair, _ in pairs})),
        ('end in', sorted({pair.picture.suffix for pair, _ in pairs})),
    ):
        if len(several) > 1:
            raise ValueError(
                f'--data: pictures of one split {what} {several}; mmseg takes '
                'one for all'
            )
    first, _ = pairs[0]
    return LabelPart(
        names=[
            below(pair.picture.with_suffix(''), pair.folder)
            for pair, _ in pairs
        ],
        folder=first.folder,
        label_folder=first.label_folder,
        suffix=first.picture.suffix,
        samples=[sample for _, sample in pairs],
        reduce_zero_label=reduce_zero,
    )
