"""Videos, read frame by frame and written of drawn pictures."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from vitdense.checkpoint.whole_file import part_name, whole_file
from vitdense.datasets.loading import BrokenImageError

SUFFIXES = (
    *('.mp4', '.m4v', '.mov', '.avi', '.mkv', '.webm'),
    *('.mpg', '.mpeg', '.wmv'),
)
# of videos that name none, in frames a second
USUAL_RATE = 25.0
# what a video is written as: the one codec that every OpenCV's FFmpeg has
WRITTEN, CODEC = '.mp4', 'mp4v'
Pixels = npt.NDArray[np.uint8]


def is_video(path: Path) -> bool:
    """Whether a path is called as videos are."""
    return path.suffix.lower() in SUFFIXES


class Video:
    """A video's frames, in their order.

    Args:
        path: Of the file.

    Attributes:
        told: How many frames it says that it has; 0 if it does not.
        rate: Frames a second.

    Raises:
        BrokenImageError: If it is missing, cut off at its head or no video.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        opened = self._open()
        self.told = max(int(opened.get(cv2.CAP_PROP_FRAME_COUNT)), 0)
        rate = opened.get(cv2.CAP_PROP_FPS)
        self.rate = rate if rate > 0 else USUAL_RATE

    def _open(self) -> Any:
        _silence()
        opened = cv2.VideoCapture(str(self.path))
        if not opened.isOpened():
            what = 'no video, or cut off' if self.path.is_file() else 'missing'
            raise BrokenImageError(f'{self.path}: {what}')
        return opened

    def frames(
        self, wanted: Callable[[int], bool]
    ) -> Iterator[tuple[int, Pixels]]:
        """Those that are wanted, and their numbers from 0 on.

        Nothing is sought: from which frame on a decoder goes on then is not
        certain.

        Args:
            wanted: Whether a frame of that number is; others are not decoded
                to pixels.

        Yields:
            Its number, and ``(H, W, 3)``, blue first.

        Raises:
            BrokenImageError: At the end, if there were fewer than the file
                says.
        """
        opened, number = self._open(), 0
        while opened.grab():
            if wanted(number):
                read, frame = opened.retrieve()
                if not read:
                    break
                yield number, np.asarray(frame, np.uint8)
            number += 1
        if number < max(self.told, 1):
            raise BrokenImageError(
                f'{self.path}: cut off or damaged; {number} of the '
                f'{self.told} frames that it tells of could be read'
            )


def _silence() -> None:
    """Keep from the screen what FFmpeg tells there in lines of its own, from
    its first use on."""
    os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')


def is_newer(path: Path, pictures: Sequence[Path]) -> bool:
    """Whether a video is there, and was written after all of its pictures.

    Args:
        path: Of the video.
        pictures: Files that are there.
    """
    if not path.is_file():
        return False
    written = path.stat().st_mtime_ns
    return all(each.stat().st_mtime_ns <= written for each in pictures)


def write_video(path: Path, pictures: Sequence[Path], rate: float) -> None:
    """Write pictures as a video, which has its name when it is whole.

    Args:
        path: Of the video, ending in `WRITTEN`.
        pictures: Files, all of one size.
        rate: Frames a second.

    Raises:
        OSError: If it cannot be written.
    """
    folder = path.with_name(part_name())
    folder.mkdir()
    made = folder / path.name  # by whose suffix OpenCV chooses the container
    try:
        _silence()
        _write(made, pictures, rate)
        # OpenCV says nothing of a full disk
        if _told(made) != len(pictures):
            raise OSError(f'{path} could not be written; is the disk full?')
        with whole_file(path) as part:
            made.replace(part)
    finally:
        shutil.rmtree(folder)


def _told(path: Path) -> int:
    try:
        return Video(path).told
    except BrokenImageError:
        return 0


def _write(path: Path, pictures: Sequence[Path], rate: float) -> None:
    height, width = _read(pictures[0]).shape[:2]
    code = cv2.VideoWriter.fourcc(*CODEC)
    writer = cv2.VideoWriter(str(path), code, rate, (width, height))
    for each in pictures:
        writer.write(_read(each))
    writer.release()


def _read(path: Path) -> Pixels:
    picture = cv2.imread(str(path))
    if picture is None:
        raise FileNotFoundError(f'{path} is gone; --overwrite draws it anew')
    return np.asarray(picture, np.uint8)
