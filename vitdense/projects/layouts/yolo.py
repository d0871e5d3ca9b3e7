"""YOLO's format: a text file for each picture, boxes or polygons.

A line is ``class x y width height`` of a box's centre and sides, or ``class
x1 y1 x2 y2 x3 y3 ...`` of a polygon, all from 0 to 1 of the picture's width
and height.
"""

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

import yaml

from vitdense.projects.folder import DataFolder, size_of, split_of
from vitdense.projects.found import DETECTION, CocoPart, Found
from vitdense.projects.layouts.coco import chosen, pooled
from vitdense.projects.layouts.layout import Ask, Layout

NAME_FILES = ('classes.txt', 'obj.names')
BOX, LEAST_POLYGON = 4, 6


class Yolo(Layout):
    """images/a.jpg and labels/a.txt, or both in one folder."""

    name = "YOLO's format"
    task = DETECTION
    wanted = 'labels/NAME.txt for images/NAME.jpg'

    def is_of(self, folder: DataFolder) -> bool:
        """Whether a picture has a file of labels."""
        texts = set(folder.ending('.txt'))
        return any(_label_file(p, texts) for p in folder.pictures)

    def read(self, folder: DataFolder, ask: Ask) -> Found:
        """Read all labels, and sizes of pictures; splits are those that
        folders name."""
        names, place = _names(folder, ask)
        texts = set(folder.ending('.txt'))
        by_split: dict[str, list[PurePosixPath]] = {}
        for path in folder.pictures:
            by_split.setdefault(split_of(path.parent) or '', []).append(path)
        classes = chosen(names, ask, place)
        parts = {}
        for split, pictures in by_split.items():
            images: list[dict[str, Any]] = []
            annotations: list[dict[str, Any]] = []
            for picture in pictures:
                height, width = size_of(folder.root / picture)
                image = {
                    'id': len(images) + 1,
                    'file_name': str(picture),
                    'height': height,
                    'width': width,
                }
                images.append(image)
                file = _label_file(picture, texts)
                if file is not None:
                    text = (folder.root / file).read_text(encoding='utf-8')
                    for row, line in enumerate(text.splitlines(), 1):
                        if line.strip():
                            where = f'{folder.root / file}:{row}'
                            entry = _entry(line, where, image, names, place)
                            entry['id'] = len(annotations) + 1
                            annotations.append(entry)
            content = {
                'images': images,
                'annotations': annotations,
                'categories': [
                    {'id': number, 'name': name}
                    for number, name in enumerate(names)
                ],
            }
            if any(not each['segmentation'] for each in annotations):
                # boxes beside polygons: masks are all or none
                for each in annotations:
                    each['segmentation'] = []
            parts[split] = CocoPart(content=content, classes=classes)
        if ask.pool and len(parts) > 1:
            parts = {'': pooled(list(parts.values()))}
        return Found(
            root=folder.root, layout=self.name, classes=classes, parts=parts
        )


LAYOUT = Yolo()


def _label_file(
    picture: PurePosixPath, texts: set[PurePosixPath]
) -> PurePosixPath | None:
    """The file of a picture's labels; None if it has none."""
    beside = picture.with_suffix('.txt')
    parts = list(beside.parts)
    if 'images' in parts:
        last = len(parts) - 1 - parts[::-1].index('images')
        parts[last] = 'labels'
    for each in (PurePosixPath(*parts), beside):
        if each in texts and each.name not in NAME_FILES:
            return each
    return None


def _names(folder: DataFolder, ask: Ask) -> tuple[tuple[str, ...], str]:
    """Names of the classes by number, and what names them.

    Raises:
        ValueError: If nothing does.
    """
    for path in folder.ending('.yaml', '.yml'):
        try:
            told = yaml.safe_load((folder.root / path).read_text())
        except yaml.YAMLError as error:
            raise ValueError(f'--data: {path} is not YAML: {error}') from None
        names = told.get('names') if isinstance(told, dict) else None
        if isinstance(names, dict):
            if sorted(names) != list(range(len(names))):
                raise ValueError(
                    f'--data: {path} has names for {sorted(names)}; they are '
                    'numbered from 0, without gaps'
                )
            names = [names[number] for number in range(len(names))]
        if isinstance(names, list) and names:
            return tuple(map(str, names)), str(path)
    for path in folder.files:
        if path.name in NAME_FILES:
            lines = (folder.root / path).read_text().splitlines()
            named = tuple(each.strip() for each in lines if each.strip())
            return named, str(path)
    if ask.names is not None:
        return tuple(ask.names), '--classes'
    raise ValueError(
        f'--data: nothing in {str(folder.root)!r} names the classes; it takes '
        'a data.yaml with names, a classes.txt with a name on each line, or '
        '--classes FILE'
    )


def _entry(
    line: str,
    where: str,
    image: dict[str, Any],
    names: Sequence[str],
    place: str,
) -> dict[str, Any]:
    """An entry of COCO's format.

    Raises:
        ValueError: If the line is none of labels, naming it.
    """
    first, *rest = line.split()
    try:
        number, values = int(first), [float(each) for each in rest]
    except ValueError:
        raise ValueError(f'{where}: {line!r:.60} is no line of numbers') from (
            None
        )
    if not 0 <= number < len(names):
        raise ValueError(
            f'{where}: class {number}, but {place} names {len(names)}: '
            f'{list(names)}'
        )
    polygon = len(values) >= LEAST_POLYGON and len(values) % 2 == 0
    if len(values) != BOX and not polygon:
        raise ValueError(
            f'{where}: {len(values)} numbers after the class; a box has 4, a '
            'polygon 6 or more, two for each point'
        )
    wrong = [each for each in values if not 0 <= each <= 1]
    if wrong:
        raise ValueError(
            f'{where}: {wrong[0]:g} is outside [0, 1]; labels are parts of '
            'width and height, not pixels'
        )
    width, height = image['width'], image['height']
    if polygon:
        xs = [x * width for x in values[::2]]
        ys = [y * height for y in values[1::2]]
        left, right, top, bottom = min(xs), max(xs), min(ys), max(ys)
        points = [c for xy in zip(xs, ys, strict=True) for c in xy]
        mask, area = [points], _area(xs, ys)
    else:
        x, y, w, h = values
        left, right = max(0.0, x - w / 2), min(1.0, x + w / 2)
        top, bottom = max(0.0, y - h / 2), min(1.0, y + h / 2)
        left, right = left * width, right * width
        top, bottom = top * height, bottom * height
        mask, area = [], (right - left) * (bottom - top)
    if area <= 0:
        raise ValueError(f'{where}: {line!r:.60} has no area')
    return {
        'image_id': image['id'],
        'category_id': number,
        'bbox': [left, top, right - left, bottom - top],
        'area': area,
        'iscrowd': 0,
        'segmentation': mask,
    }


def _area(xs: Sequence[float], ys: Sequence[float]) -> float:
    """The area of a polygon, by the shoelace formula."""
    turned = zip(xs, ys, [*xs[1:], xs[0]], [*ys[1:], ys[0]], strict=True)
    return abs(sum(x * v - u * y for x, y, u, v in turned)) / 2
