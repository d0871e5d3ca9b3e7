"""Predictions that are kept as they are made, batch by batch.

A data set is cut into batches that do not depend on the number of processes
nor on what is done already, because pictures of a batch are padded to one
size: so a run that was killed and goes on predicts what it would have.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vitdense.checkpoint.whole_file import remove, whole_file

PARTS = '.parts'


def parts_of(path: Path) -> Path:
    """The folder in which predictions become those of a path."""
    return path.with_name(path.name + PARTS)


class DetectionParts:
    """Detections, of which each process writes a file, a line a batch.

    Args:
        path: COCO results when all is done.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.folder = parts_of(path)

    def done(self) -> set[int]:
        """The batches that need not be predicted again."""
        return {number for number, _ in self._lines()}

    def _lines(self) -> Iterator[tuple[int, str]]:
        """Numbers of batches, and their detections as JSON."""
        for path in sorted(self.folder.glob('*.lines')):
            with path.open() as file:
                for line in file:
                    # what a killed process wrote last may be cut off
                    if line.endswith('\n'):
                        number, _, detections = line.partition(' ')
                        yield int(number), detections

    def write(self, number: int, detections: Iterable[Any]) -> None:
        """Keep what a batch gave."""
        if not hasattr(self, '_file'):
            # one that nobody else writes to, now or later
            index = len(list(self.folder.glob('*.lines')))
            for name in (f'{index + i:06d}.lines' for i in range(1 << 20)):
                try:
                    self._file = (self.folder / name).open('x')
                    break
                except FileExistsError:
                    continue
        self._file.write(f'{number} {json.dumps(list(detections))}\n')
        self._file.flush()

    def finish(self, count: int) -> None:
        """Make one file of it, in the order of the images.

        Args:
            count: Of the batches.

        Raises:
            RuntimeError: If one is not there.
        """
        lines = dict(self._lines())
        _see_all(lines, count, self.folder)
        with whole_file(self.path) as part, part.open('w') as file:
            separator = '['
            for number in sorted(lines):
                inner = lines[number].strip()[1:-1]
                if inner:
                    file.write(f'{separator}{inner}')
                    separator = ',\n'
            file.write('[]\n' if separator == '[' else ']\n')
        remove(self.folder)


class LabelMapParts:
    """Label PNGs, of which each is written whole.

    Args:
        path: Their folder when all is done.
        batches: Names of the PNGs of each batch, inside the folder.
    """

    def __init__(self, path: Path, batches: Sequence[Sequence[str]]) -> None:
        self.path = path
        self.folder = parts_of(path)
        self.batches = batches

    def done(self) -> set[int]:
        """The batches that need not be predicted again."""
        return {
            number
            for number, names in enumerate(self.batches)
            if all((self.folder / name).is_file() for name in names)
        }

    def write(
        self, number: int, maps: Iterable[npt.NDArray[np.uint8]]
    ) -> None:
        """Keep what a batch gave."""
        import cv2

        for name, labels in zip(self.batches[number], maps, strict=True):
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(path) as part:
                part.write_bytes(cv2.imencode('.png', labels)[1].tobytes())

    def finish(self, count: int) -> None:
        """Give the folder its name.

        Args:
            count: Of the batches.

        Raises:
            RuntimeError: If one is not there.
        """
        _see_all(self.done(), count, self.folder)
        self.folder.replace(self.path)


Parts = DetectionParts | LabelMapParts


def _see_all(done: Collection[int], count: int, folder: Path) -> None:
    """See that no batch is missing, which would be scored as no finds."""
    if missing := sorted(set(range(count)).difference(done)):
        raise RuntimeError(
            f'{str(folder)!r} lacks predictions of batches {missing[:5]} of '
            f'{count}'
        )


def open_parts(path: Path, batches: Sequence[Sequence[str]]) -> Parts:
    """What is kept at a path: by its suffix, detections or label maps.

    Args:
        path: A ``.json`` file, or a folder.
        batches: For label maps, the names of their PNGs.
    """
    if path.suffix == '.json':
        return DetectionParts(path)
    return LabelMapParts(path, batches)
