"""Pictures and videos that somebody names: files, folders and patterns."""

import glob
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from vitdense.predict.videos import SUFFIXES as VIDEOS

SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff')


def find_pictures(inputs: Sequence[str]) -> dict[str, Path]:
    """Paths of pictures and videos, by what results on them are called.

    That is their path below the folder that all of them share, without
    suffix where it is not needed to tell two apart.

    Args:
        inputs: Files, folders, which are searched to the bottom, and
            patterns such as ``'photos/*.jpg'``.

    Raises:
        FileNotFoundError: If there is nothing at one of them, or no picture
            and no video.
    """
    paths = list(dict.fromkeys(p for each in inputs for p in _found(each)))
    top = Path(os.path.commonpath([p.absolute().parent for p in paths]))
    names = [PurePosixPath(p.absolute().relative_to(top)) for p in paths]
    counts = Counter(name.with_suffix('') for name in names)
    return {
        str(name if counts[short] > 1 else short): path
        for name, path in zip(names, paths, strict=True)
        for short in [name.with_suffix('')]
    }


def _found(text: str) -> Iterator[Path]:
    path = Path(text).expanduser()
    if path.is_dir():
        inside = [p for p in sorted(path.rglob('*')) if _is_picture(p)]
    elif path.exists():
        inside = [path]  # whatever it is called: it was asked for
    else:
        matches = sorted(glob.glob(str(path), recursive=True))
        if not matches:
            raise FileNotFoundError(f'there is no {text!r}')
        inside = [p for p in map(Path, matches) if _is_picture(p)]
    if not inside:
        raise FileNotFoundError(
            f'{text!r} has no pictures; those of {list(SUFFIXES)} are taken, '
            f'and videos of {list(VIDEOS)}'
        )
    yield from inside


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES + VIDEOS and path.is_file()
