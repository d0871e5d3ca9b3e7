"""A model on many pictures, whose results go to a folder."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TimeRemainingColumn,
)
from rich.text import Text

from vitdense.checkpoint.sharded import digest_checkpoint
from vitdense.checkpoint.whole_file import whole_file
from vitdense.engine.work_folder import occupied
from vitdense.predict.drawing import draw
from vitdense.predict.folder import Done, ResultsFolder
from vitdense.predict.formats import to_coco, to_coco_panoptic, to_yolo
from vitdense.predict.pictures import find_pictures
from vitdense.predict.predictor import Predictor
from vitdense.predict.results import (
    Detections,
    LabelMap,
    Result,
    Segments,
)
from vitdense.predict.sources import Source, Sources
from vitdense.predict.videos import WRITTEN, is_newer, write_video
from vitdense.terminal import bar_of

# what can be written of each task; all but YOLO's text is, if nothing is said
FORMATS = {
    'detection': ('pictures', 'coco', 'yolo'),
    'segmentation': ('pictures', 'maps'),
    'panoptic': ('pictures', 'panoptic'),
}
MOST_CLASSES = 256  # of a PNG of 8 bits

Pixels = npt.NDArray[np.uint8]


def _check_formats(
    asked: Sequence[str] | None, predictor: Predictor
) -> tuple[str, ...]:
    """What is written.

    Raises:
        ValueError: If something asked for is not of the task.
    """
    possible = FORMATS[predictor.task]
    chosen = [each for each in possible if each != 'yolo']
    if asked is not None:
        chosen = list(asked)
    other = [each for each in chosen if each not in possible]
    if other:
        raise ValueError(
            f'--write {" ".join(other)}: the model is one of '
            f'{predictor.task}; choose from {list(possible)}'
        )
    if 'maps' in chosen and len(predictor.classes) > MOST_CLASSES:
        raise ValueError(
            f'--write maps: {len(predictor.classes)} classes are more than '
            f'the {MOST_CLASSES} of a PNG; --write pictures leaves them out'
        )
    return tuple(chosen)


class Job:
    """Predicts on the pictures that are not done yet, and writes results.

    Args:
        config: A config file.
        checkpoint: What it trained.
        inputs: As `find_pictures` takes them.
        out: The folder of the results.
        formats: Those of `FORMATS` that are written; None for the usual ones.
        score: Objects of less are left out.
        polygons: Whether COCO's file has masks as polygons.
        overwrite: As `ResultsFolder` takes it.
        batch_size: Pictures at once.
        device: As `Predictor` takes it.
        amp: Likewise.
        cfg_options: Likewise.
        tile: Likewise.
        overlap: Likewise.
        every: As `Sources` takes it.

    Raises:
        ValueError, TypeError, LookupError, OSError: If anything cannot be
            used, naming it; nothing is written then.
    """

    def __init__(
        self,
        config: Path,
        checkpoint: Path,
        inputs: Sequence[str],
        out: Path,
        *,
        formats: Sequence[str] | None = None,
        score: float = 0.3,
        polygons: bool = False,
        overwrite: bool = False,
        batch_size: int = 1,
        device: str | None = None,
        amp: bool = False,
        cfg_options: Mapping[str, Any] | None = None,
        tile: int | None = None,
        overlap: float = 0.2,
        every: int = 1,
    ) -> None:
        self._sources = Sources(find_pictures(inputs), every)
        self._predictor = predictor = Predictor(
            config,
            checkpoint,
            device=device,
            batch_size=batch_size,
            amp=amp,
            cfg_options=cfg_options,
            tile=tile,
            overlap=overlap,
        )
        self._formats = _check_formats(formats, predictor)
        self._score, self._polygons = score, polygons
        settings = {
            'checkpoint': digest_checkpoint(checkpoint),
            'config': predictor.config.pretty_text,
            'formats': sorted(self._formats),
            'score': score,
            'polygons': polygons,
            'batch_size': batch_size,
            'amp': amp,
        }
        if tile is not None:
            settings |= {'tile': tile, 'overlap': overlap}
        if every != 1:
            settings |= {'every': every}
        self._folder = ResultsFolder(
            out, settings, dict(self._sources.told()), overwrite=overwrite
        )

    def run(self) -> list[str]:
        """Do it; gives what was wrong with each picture that was left out.

        Raises:
            OSError: If results cannot be written, those before are kept; or
                if another run is writing there.
        """
        with occupied(str(self._folder.path)):
            return self._predict()

    def _predict(self) -> list[str]:
        read: deque[tuple[Source, Pixels]] = deque()
        bar = bar_of(
            BarColumn(), MofNCompleteColumn(), _Speed(), TimeRemainingColumn()
        )
        with bar as progress:
            task = progress.add_task('', total=len(self._folder.left))

            def readable() -> Iterator[Pixels]:
                predictor, has = self._predictor, self._folder.has
                for each in self._sources.read(
                    predictor.read, predictor.check, has
                ):
                    read.append(each)
                    yield each[1]

            for result in self._predictor.predict(readable()):
                self._keep(*read.popleft(), result)
                progress.advance(task)
        if 'pictures' in self._formats:
            self._write_videos()
        classes = self._predictor.classes
        if 'coco' in self._formats:
            self._folder.write_coco(classes)
        things = self._predictor.num_things
        if things is not None and 'panoptic' in self._formats:
            self._folder.write_panoptic(classes, things)
        if {'yolo', 'maps'} & set(self._formats):
            self._folder.write_classes(classes)
        return self._sources.broken

    def _write_videos(self) -> None:
        """Join drawn frames, where any are newer than the video of them."""
        for name, rate in self._sources.rates.items():
            drawn = [
                self._folder.place('pictures', f'{each}.jpg')
                for each in self._folder.below(name)
            ]
            path = self._folder.place('videos', name + WRITTEN)
            if drawn and not is_newer(path, drawn):
                write_video(path, drawn, rate)

    def _keep(self, source: Source, picture: Pixels, result: Result) -> None:
        entries = []
        if isinstance(result, Detections):
            result = result.at_least(self._score)
            if 'coco' in self._formats:
                entries = to_coco(result, polygons=self._polygons)
        elif isinstance(result, Segments) and 'panoptic' in self._formats:
            pixels, entries = to_coco_panoptic(result)
            path = self._folder.place('panoptic', f'{source.name}.png')
            _write_bytes(path, cv2.imencode('.png', pixels)[1].tobytes())
        _write(self._folder, source.name, picture, result, self._formats)
        height, width = picture.shape[:2]
        self._folder.keep(Done(*source, height, width, entries))


class _Speed(ProgressColumn):
    """Pictures per second."""

    def render(self, task: Task) -> Text:
        return Text(f'{task.speed or 0:.1f} pictures/s')


def _write(
    folder: ResultsFolder,
    name: str,
    picture: Pixels,
    result: Result,
    formats: Sequence[str],
) -> None:
    if 'pictures' in formats:
        drawn = draw(picture, result)
        path = folder.place('pictures', f'{name}.jpg')
        _write_bytes(path, cv2.imencode('.jpg', drawn)[1].tobytes())
    if isinstance(result, LabelMap):
        if 'maps' in formats:
            labels = result.labels.astype(np.uint8)
            path = folder.place('maps', f'{name}.png')
            _write_bytes(path, cv2.imencode('.png', labels)[1].tobytes())
    elif isinstance(result, Detections) and 'yolo' in formats:
        text = to_yolo(result, *picture.shape[:2])
        path = folder.place('labels', f'{name}.txt')
        _write_bytes(path, text.encode())


def _write_bytes(path: Path, content: bytes) -> None:
    with whole_file(path) as part:
        part.write_bytes(content)
