"""The files of a folder of data, and which split their paths name."""

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from PIL import Image

from vitdense.datasets.audit.kinds import Size
from vitdense.datasets.audit.pictures import ORIENTATION, SIDEWAYS
from vitdense.preflight.audit import PICTURES

TRAIN, VAL, TEST = 'train', 'val', 'test'
WORDS = {
    'train': TRAIN,
    'training': TRAIN,
    'val': VAL,
    'valid': VAL,
    'validation': VAL,
    'test': TEST,
    'testing': TEST,
}


class DataFolder:
    """A folder of data.

    Attributes:
        root: The folder.
        files: Paths of all files below it, sorted; hidden ones are not seen.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If it has no pictures.
    """

    def __init__(self, root: str) -> None:
        self.root = Path(root).absolute()
        if not self.root.is_dir():
            raise FileNotFoundError(f'--data: no folder {root!r}')
        self.files = sorted(self._walk())
        self.pictures = self.ending(*PICTURES)
        if not self.pictures:
            raise ValueError(
                f'--data: no pictures in {root!r}; they end in '
                f'{", ".join(PICTURES)}'
            )

    def _walk(self) -> Iterator[PurePosixPath]:
        for place, folders, names in os.walk(self.root, followlinks=True):
            folders[:] = [f for f in folders if not f.startswith('.')]
            base = PurePosixPath(Path(place).relative_to(self.root).as_posix())
            yield from (base / n for n in names if not n.startswith('.'))

    def ending(self, *suffixes: str) -> list[PurePosixPath]:
        """Files with one of these suffixes, in any case."""
        return [f for f in self.files if f.suffix.lower() in suffixes]


def size_of(picture: Path) -> Size:
    """Height and width of a picture as it is loaded, turned by EXIF.

    Raises:
        ValueError: If it cannot be opened.
    """
    try:
        with Image.open(picture) as image:
            width, height = image.size
            turn = image.getexif().get(ORIENTATION, 1)
    except (OSError, SyntaxError, ValueError) as error:
        reason = ' '.join(str(error).split())
        raise ValueError(f'{picture}: {reason}') from None
    return (width, height) if turn in SIDEWAYS else (height, width)


def split_of(path: PurePosixPath) -> str | None:
    """The split that a path names, its last part first: 'train', 'val',
    'test' or none."""
    for part in reversed(path.parts):
        for word in re.findall('[a-z]+', part.lower()):
            if word in WORDS:
                return WORDS[word]
    return None


def below(path: PurePosixPath, folder: PurePosixPath) -> str:
    """A path as seen from a folder that holds it."""
    return path.relative_to(folder).as_posix()
