"""Finds pictures that training and validation share."""

import os.path
from collections.abc import Sequence
from pathlib import Path

from vitdense.datasets.audit.kinds import Finding
from vitdense.datasets.audit.pictures import Picture
from vitdense.datasets.audit.sets import TRAIN, Checked


def find_shared(checked: Sequence[Checked]) -> None:
    """Add findings to the sets that are not trained on.

    Pictures are the same if they are one file, have the same bytes, or have
    one name and look alike. Where they were not read, a name alone is no more
    than a warning: numbers begin at 1 in many folders.
    """
    trained = [each for each in checked if TRAIN in each.data.splits]
    for other in checked:
        if TRAIN not in other.data.splits:
            for train in trained:
                _compare(train, other)


def _compare(train: Checked, other: Checked) -> None:
    paths: dict[str, Path] = {}
    digests: dict[bytes, Path] = {}
    names: dict[str, list[tuple[Path, Picture | None]]] = {}
    for path, picture in train.seen():
        paths[os.path.realpath(path)] = path
        names.setdefault(path.name, []).append((path, picture))
        if picture is not None:
            digests[picture.digest] = path
    for path, picture in other.seen():
        same = paths.get(os.path.realpath(path))
        if same is None and picture is not None:
            same = digests.get(picture.digest)
        for named, its in names.get(path.name, ()) if same is None else ():
            if its is None or picture is None:
                what = f'{named} of {train.data.place} has this name too'
                other.findings.append(
                    Finding('image-name-shared', str(path), what)
                )
            elif its.is_like(picture):
                same = named
        if same is not None:
            train.shared.add(same)
            what = f'the same as {same} of {train.data.place}'
            other.findings.append(Finding('image-shared', str(path), what))
