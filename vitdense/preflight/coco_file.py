"""Reads and checks annotation files in COCO's format."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine import fileio

MAX_SHOWN = 5


class CocoReader:
    """Reads annotation files; keeps the last, as long as it lives itself.

    Data set and evaluator name the same file, of a gigabyte when parsed.
    """

    def __init__(self) -> None:
        self._last: tuple[str, Any] = ('', None)

    def read(
        self,
        key: str,
        path: str,
        labelled: bool = True,
        backend_args: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Read an annotation file.

        Args:
            key: Where the config names the file, for errors.
            path: The file.
            labelled: Whether it must have annotations.
            backend_args: How mmengine reads it, where it is on another
                machine.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is not in COCO's format.
        """
        if not isinstance(path, str) or not path:
            raise ValueError(f'{key}={path!r} is no file')
        if not is_elsewhere(path, backend_args) and not Path(path).is_file():
            raise FileNotFoundError(f'{key}: no file {path!r}')
        if self._last[0] != path:
            self._last = ('', None)
            text = fileio.get(path, backend_args=backend_args)
            try:
                # mmdet takes no other encoding
                self._last = (path, json.loads(text.decode('utf-8')))
            except (ValueError, RecursionError) as error:
                raise ValueError(
                    f'{key}: {path!r} is not JSON: {error}'
                ) from None
        return _checked(key, path, self._last[1], labelled)


def is_elsewhere(path: str, *backend_args: Mapping[str, Any] | None) -> bool:
    """Whether something lies not on this machine: in an object store, say."""
    names = [each.get('backend') for each in backend_args if each]
    return '://' in path or any(
        name not in (None, 'local', 'disk') for name in names
    )


def _checked(
    key: str, path: str, content: Any, labelled: bool
) -> dict[str, Any]:
    wanted = ['images', 'categories', 'annotations']
    lists = content if isinstance(content, dict) else {}
    optional = set() if labelled else {'annotations'} - lists.keys()
    missing = [
        name
        for name in wanted
        if name not in optional and not isinstance(lists.get(name), list)
    ]
    if missing:
        raise ValueError(
            f'{key}: {path!r} is not a COCO annotation file: it has no list '
            f'named {missing}; it needs {wanted}'
        )
    if not lists['images']:
        raise ValueError(f'{key}: {path!r} lists no images')
    return lists


def check_labels(
    key: str, path: str, content: dict[str, Any], classes: Sequence[str]
) -> None:
    """See that the classes are the file's categories, in its order.

    Classes may be fewer than the file's categories: mmdet trains on them
    alone. It numbers them in the order of the file, whatever theirs is.

    Raises:
        ValueError: If one is not there, or in another place, naming it.
    """
    names = {each['id']: each['name'] for each in content['categories']}
    unknown = [name for name in classes if name not in names.values()]
    if unknown:
        raise ValueError(
            f'{key}: {path!r} has no category for {len(unknown)} of the '
            f'{len(classes)} classes: {_some(unknown)}; choose from '
            f'{sorted(names.values())} with metainfo=dict(classes=...)'
        )
    numbered = [name for name in names.values() if name in classes]
    if classes and numbered != list(classes):
        raise ValueError(
            f'{key}: {path!r} lists the categories as {_some(numbered)}, but '
            f'the classes are {_some(classes)}; they need one order, with '
            'each name once'
        )


def check_images(
    key: str, path: str, content: dict[str, Any], folder: str
) -> None:
    """See that the pictures are there.

    Raises:
        FileNotFoundError: If one is not, naming it.
    """
    names = [each['file_name'] for each in content['images']]
    there = {each.name for each in Path(folder).iterdir()}
    missing = [
        name
        for name in names
        if name not in there and not Path(folder, name).is_file()
    ]
    if missing:
        raise FileNotFoundError(
            f'{key}: {len(missing)} of the {len(names)} images of {path!r} '
            f'are not in {folder!r}: {_some(missing)}'
        )


def _some(names: Sequence[str]) -> str:
    more = [f'and {len(names) - MAX_SHOWN} more']
    return ', '.join([*names[:MAX_SHOWN], *more * (len(names) > MAX_SHOWN)])
