"""Writes cleaned copies of data sets beside them.

A copy has the folders of the original, from the one on that holds all of it.
It is written under another name and moved to its own when it is whole.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from vitdense.datasets.audit.kinds import KINDS, NO_IMAGE, NO_PAIR
from vitdense.datasets.audit.label_maps import (
    LabelRule,
    cleaned_map,
    read_label_map,
)
from vitdense.datasets.audit.mend import mended_file
from vitdense.datasets.audit.parallel import spread
from vitdense.datasets.audit.pictures import can_turn, upright
from vitdense.datasets.audit.sets import (
    AnySet,
    Checked,
    CocoSet,
    LabelSet,
    Pair,
)


class Task(NamedTuple):
    """A file of a copy.

    Attributes:
        source: Of the original.
        target: Where the copy of it goes.
        turned: Whether its EXIF orientation becomes 1.
        rule: Which labels it may have, if it is a label map.
    """

    source: Path
    target: Path
    turned: bool = False
    rule: LabelRule | None = None


def check_target(target: Path, sets: Sequence[AnySet]) -> None:
    """See that a copy can be written without touching the original.

    Raises:
        ValueError: If the folder is not empty, is one of the original's, or
            lies in one.
        NotADirectoryError: If it is a file, or its parent is no folder.
    """
    if target.exists() and not target.is_dir():
        raise NotADirectoryError(f'--fix {str(target)!r} is a file')
    if not target.absolute().parent.is_dir():
        raise NotADirectoryError(
            f'--fix {str(target)!r}: no folder {str(target.parent)!r}'
        )
    for folder in (each for data in sets for each in data.folders()):
        if target.resolve().is_relative_to(folder.resolve()):
            raise ValueError(
                f"--fix {str(target)!r} is in the original's folder "
                f'{str(folder)!r}'
            )
    if target.exists() and any(target.iterdir()):
        raise ValueError(f'--fix {str(target)!r} is not empty')


def write_copies(
    checked: Sequence[Checked], target: Path, processes: int
) -> list[AnySet]:
    """Write cleaned copies of some data sets to one folder.

    Args:
        checked: The data sets, and what was seen of them and their pictures.
        target: As ``check_target`` wants it.
        processes: How many do it.

    Returns:
        The copies.

    Raises:
        ValueError: If there is something that people have to decide.
        OSError: If it cannot be written; nothing is left then.
    """
    root = _common([each.data for each in checked])
    mended = [_mended(each, processes) for each in checked]
    target = target.absolute()
    prefix, parent = f'.{target.name}-', target.parent
    scratch = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    try:
        whole = scratch / 'copy'  # made as the umask says, unlike its parent
        whole.mkdir()
        tasks: dict[Path, Task] = {}
        for each, data in zip(checked, mended, strict=True):
            moved = _moved(data, root, whole)
            tasks |= {t.target: t for t in _tasks(each, data, moved)}
            _write_list(moved)
        for _ in spread(_write, list(tasks.values()), processes, 'copying'):
            pass
        os.replace(whole, target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return [_moved(data, root, target) for data in mended]


def _common(sets: Sequence[AnySet]) -> Path:
    """The folder that holds all of some data sets."""
    folders = [
        os.path.abspath(folder)
        for data in sets
        for folder in (
            *data.folders(),
            *(path.parent for path in data.pictures()),
            *([data.root] if data.root else []),
        )
    ]
    return Path(os.path.commonpath(folders))


def _mended(checked: Checked, processes: int) -> AnySet:
    """The data set with what a copy has, still in the original's folders."""
    data = checked.data
    if isinstance(data, CocoSet):
        return replace(data, content=mended_file(data, checked, processes))
    cures = (NO_IMAGE, NO_PAIR)
    broken = {
        Path(each.place)
        for each in checked.findings
        if KINDS[each.kind].cure in cures
    }
    broken |= {path for path in _turned(checked) if not can_turn(path)}
    broken |= checked.shared
    pairs = [each for each in data.pairs if broken.isdisjoint(each)]
    if not pairs:
        raise ValueError(f'{data.place}: no image is left for a cleaned copy')
    return replace(data, pairs=pairs)


def _turned(checked: Checked) -> set[Path]:
    """Pictures that EXIF turns away from their annotations."""
    return {
        Path(each.place)
        for each in checked.findings
        if each.kind == 'image-turned'
    }


def _tasks(checked: Checked, data: AnySet, moved: AnySet) -> Iterator[Task]:
    """The files of pixels of a copy."""
    turned = _turned(checked)
    old, new = data.pictures(), moved.pictures()
    for source, target in zip(old, new, strict=True):
        yield Task(source, target, turned=source in turned)
    if isinstance(data, LabelSet) and isinstance(moved, LabelSet):
        for pair, other in zip(data.pairs, moved.pairs, strict=True):
            if pair.labels is not None and other.labels is not None:
                yield Task(pair.labels, other.labels, rule=data.rule)


def _moved(data: AnySet, root: Path, target: Path) -> AnySet:
    """The same data set in another folder than ``root``."""

    def move(path: Path) -> Path:
        return target / Path(os.path.abspath(path)).relative_to(root)

    if isinstance(data, CocoSet):
        return replace(
            data,
            file=move(data.file),
            folder=move(data.folder),
            root=target,
        )
    return replace(
        data,
        pairs=[
            Pair(move(image), labels and move(labels))
            for image, labels in data.pairs
        ],
        image_folder=move(data.image_folder),
        label_folder=move(data.label_folder),
        file=data.file and move(data.file),
        root=target,
    )


def _write_list(data: AnySet) -> None:
    """Write the annotation file, or the list of names, of a copy."""
    if data.file is None:
        return
    if isinstance(data, CocoSet):
        text = json.dumps(data.content)
    else:
        names = (
            str(each.image.relative_to(data.image_folder))
            for each in data.pairs
        )
        text = ''.join(f'{name.removesuffix(data.suffix)}\n' for name in names)
    data.file.parent.mkdir(parents=True, exist_ok=True)
    data.file.write_text(text)


def _write(task: Task) -> None:
    """Write a file of pixels of a copy."""
    task.target.parent.mkdir(parents=True, exist_ok=True)
    if task.rule is not None:
        cleaned = cleaned_map(read_label_map(task.source), task.rule)
        if cleaned is not None:
            cleaned.save(task.target)
            return
    if task.turned:
        content = upright(task.source.read_bytes())
        if content is not None:
            task.target.write_bytes(content)
            return
    shutil.copyfile(task.source, task.target)
