"""COCO's format: annotation files as JSON, beside folders of pictures."""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from vitdense.preflight.coco_entries import check_entries
from vitdense.preflight.coco_file import CocoReader
from vitdense.projects.folder import DataFolder, split_of
from vitdense.projects.found import DETECTION, CocoPart, Found
from vitdense.projects.layouts.layout import Ask, Layout

# in COCO's own folder, beside the instances
OTHERS = ('captions', 'panoptic', 'person_keypoints', 'image_info', 'stuff')
LISTS = (b'"images"', b'"annotations"', b'"categories"')


class Coco(Layout):
    """Annotation files and folders of pictures, anywhere in the folder."""

    name = "COCO's format"
    task = DETECTION
    wanted = 'a .json file with images, annotations and categories'

    def is_of(self, folder: DataFolder) -> bool:
        """Whether a file has COCO's three lists."""
        return any(_annotation_files(folder))

    def read(self, folder: DataFolder, ask: Ask) -> Found:
        """Read annotation files; splits are those that their paths name."""
        files: dict[str, PurePosixPath] = {}
        for path in _annotation_files(folder):
            split = split_of(path) or ''
            if split in files:
                raise ValueError(
                    f'--data: {files[split]} and {path} are both of '
                    f'{split or "no"} split; leave one in the folder'
                )
            files[split] = path
        contents = {split: _read(folder, f) for split, f in files.items()}
        first, *others = contents
        names = _names(contents[first])
        for split in others:
            if _names(contents[split]) != names:
                raise ValueError(
                    f'--data: {files[split]} and {files[first]} have other '
                    f'categories: {_names(contents[split])} and {names}'
                )
        classes = chosen(tuple(names.values()), ask, files[first])
        parts = {
            split: CocoPart(
                content=content,
                folder=_pictures_of(folder, files[split], content),
                file=files[split],
                classes=classes,
            )
            for split, content in contents.items()
        }
        if ask.pool and len(parts) > 1:
            parts = {'': pooled(list(parts.values()))}
        return Found(
            root=folder.root, layout=self.name, classes=classes, parts=parts
        )


LAYOUT = Coco()


def chosen(names: tuple[str, ...], ask: Ask, place: object) -> tuple[str, ...]:
    """The classes that are trained, in the order that the data has.

    Raises:
        ValueError: If one that is asked for is none of the data's.
    """
    if ask.names is None:
        return names
    unknown = [name for name in ask.names if name not in names]
    if unknown:
        raise ValueError(
            f'--classes: {unknown} are no classes of {place}; choose from '
            f'{list(names)}'
        )
    return tuple(name for name in names if name in ask.names)


def pooled(parts: list[CocoPart]) -> CocoPart:
    """All pictures as one part, with new ids, named from the data's root."""
    images: list[Any] = []
    annotations: list[Any] = []
    for part in parts:
        ids = {}
        for image in part.content['images']:
            ids[image['id']] = len(images) + 1
            name = str(part.folder / image['file_name'])
            images.append({**image, 'id': len(images) + 1, 'file_name': name})
        for each in part.content['annotations']:
            new = {'id': len(annotations) + 1}
            new['image_id'] = ids[each['image_id']]
            annotations.append({**each, **new})
    return CocoPart(
        content={
            'images': images,
            'annotations': annotations,
            'categories': parts[0].content['categories'],
        },
        classes=parts[0].classes,
    )


def _annotation_files(folder: DataFolder) -> Iterator[PurePosixPath]:
    for path in folder.ending('.json'):
        if path.name.startswith(OTHERS):
            continue
        text = (folder.root / path).read_bytes()
        if all(name in text for name in LISTS):
            yield path


def _read(folder: DataFolder, path: PurePosixPath) -> dict[str, Any]:
    file = str(folder.root / path)
    content = CocoReader().read('--data', file)
    check_entries('--data', file, content, scored=False)
    return content


def _names(content: Mapping[str, Any]) -> dict[Any, str]:
    return {each['id']: each['name'] for each in content['categories']}


def _pictures_of(
    folder: DataFolder, file: PurePosixPath, content: Mapping[str, Any]
) -> PurePosixPath:
    """The folder that has the pictures of a file, the nearest if several.

    Raises:
        FileNotFoundError: If none has them all.
    """
    names = [each['file_name'] for each in content['images']]
    there = {str(path) for path in folder.pictures}
    first = PurePosixPath(names[0])
    depth = len(first.parts)
    folders = [
        PurePosixPath(*path.parts[: len(path.parts) - depth])
        for path in folder.pictures
        if path.parts[-depth:] == first.parts
    ]
    missing = names
    for each in sorted(folders, key=lambda f: split_of(f) != split_of(file)):
        missing = [n for n in names if str(each / n) not in there]
        if not missing:
            return each
    raise FileNotFoundError(
        f'--data: {len(missing)} of the {len(names)} pictures of {file} are '
        f'in no one folder of {str(folder.root)!r}, such as {missing[0]!r}'
    )
