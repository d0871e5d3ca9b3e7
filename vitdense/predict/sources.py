"""What is predicted on: pictures, and videos frame by frame."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vitdense.datasets.loading import BrokenImageError
from vitdense.predict.videos import Video, is_video

Pixels = npt.NDArray[np.uint8]
Has = Callable[[str, str], bool]


class Source(NamedTuple):
    """A picture or a frame.

    Attributes:
        name: What its results are called.
        where: The path of the picture; of a video's frame with ``#`` and its
            number, from 0 on.
    """

    name: str
    where: str


class Sources:
    """Pictures and frames in their order, those that are broken left out.

    Args:
        inputs: Paths by what results on them are called.
        every: Of a video, frame 0 and then each that is so many further.

    Attributes:
        broken: What was wrong with each input that has been left out.
        rates: Of each video that was read, how many of its frames that are
            taken are a second.

    Raises:
        ValueError: If ``every`` is not positive.
    """

    def __init__(self, inputs: Mapping[str, Path], every: int) -> None:
        if every < 1:
            raise ValueError(f'every={every} is not positive')
        self._inputs, self._every = inputs, every
        self.broken: list[str] = []
        self.rates: dict[str, float] = {}

    def told(self) -> list[Source]:
        """What there is, where videos tell truly how long they are."""
        found = []
        for name, path in self._inputs.items():
            if not is_video(path):
                found.append(Source(name, str(path.absolute())))
                continue
            try:
                frames = range(0, Video(path).told, self._every)
            except BrokenImageError:  # told when it is its turn
                continue
            found += [_frame(name, path, number) for number in frames]
        return found

    def read(
        self,
        load: Callable[[Path], Pixels],
        check: Callable[[Pixels, Path], None],
        has: Has,
    ) -> Iterator[tuple[Source, Pixels]]:
        """Those that are left to do.

        Args:
            load: Reads a picture, or raises a BrokenImageError.
            check: Raises one of a frame that cannot be used.
            has: Whether a source is done, by its name and where it is.
        """
        for name, path in self._inputs.items():
            try:
                if is_video(path):
                    for source, frame in self._frames(name, path, has):
                        check(frame, path)
                        yield source, frame
                elif not has(*(source := Source(name, str(path.absolute())))):
                    yield source, load(path)
            except BrokenImageError as error:
                self.broken.append(str(error))

    def _frames(
        self, name: str, path: Path, has: Has
    ) -> Iterator[tuple[Source, Pixels]]:
        def wanted(number: int) -> bool:
            chosen = number % self._every == 0
            return chosen and not has(*_frame(name, path, number))

        video = Video(path)
        self.rates[name] = video.rate / self._every
        for number, frame in video.frames(wanted):
            yield _frame(name, path, number), frame


def _frame(name: str, path: Path, number: int) -> Source:
    return Source(f'{name}/{number:06d}', f'{path.absolute()}#{number}')
