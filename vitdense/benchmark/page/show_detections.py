"""Detections of two models in the pictures where they disagree."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vitdense.benchmark.accuracy.errors import HIT
from vitdense.benchmark.accuracy.model_run import ModelRun
from vitdense.benchmark.page.drawing import (
    MISSED,
    RIGHT,
    TRUTH,
    WRONG,
    Overlay,
    draw_photo,
    read_photo,
)
from vitdense.benchmark.page.judged import (
    Detection,
    Detector,
    JudgedImage,
    disagreement,
    read_truth,
)
from vitdense.benchmark.page.pictures import Pictures

# of errors.TYPES, in words that fit a picture
IN_WORDS = (
    'wrong class',
    'badly placed',
    'class and place',
    'duplicate',
    'nothing there',
)


class DetectionGallery:
    """What detectors find in images.

    Args:
        runs: One of each model.
        kind: What is compared, 'bbox' or 'segm'.
        images: The folder of the pictures, or None.
        pictures: Keeps what is drawn.
    """

    def __init__(
        self,
        runs: Sequence[ModelRun],
        kind: str,
        images: Path | None,
        pictures: Pictures,
    ) -> None:
        self._truth = read_truth(runs[0])
        self._kind, self._images, self._pictures = kind, images, pictures
        self._detectors = [Detector(self._truth, each, kind) for each in runs]
        self._ids = sorted(self._truth.imgs)
        self._judged: list[list[JudgedImage]] = [
            [detector.judge(image) for image in self._ids]
            for detector in self._detectors
        ]

    def about(self) -> list[str]:
        """How disagreement is measured, and from which scores on."""
        what = 'boxes' if self._kind == 'bbox' else 'masks'
        return [
            f'By {what}: objects that only one of the two finds, and by how '
            'many false detections the two differ. A detection counts from '
            "the score on with which its model's F1 is highest: ",
            *(f'{each.threshold:.2f}' for each in self._detectors),
        ]

    def disagreements(self, one: int, two: int) -> npt.NDArray[np.float64]:
        """Of two models on all images ``(I,)``."""
        judged = zip(self._judged[one], self._judged[two], strict=True)
        return np.array([disagreement(*each) for each in judged], float)

    def say(self, image: int, one: int, two: int) -> list[str]:
        """What the two get right of an image."""
        return [
            self._summary(self._judged[each][image]) for each in (one, two)
        ]

    def _summary(self, judged: JudgedImage) -> str:
        false = int((judged.errors != HIT).sum())
        return (
            f'{int(judged.found.sum())} of {len(judged.found)} found, '
            f'{false} false'
        )

    def show(self, image: int) -> dict[str, Any]:
        """The picture and its objects."""
        known = self._truth.imgs[self._ids[image]]
        name = str(known.get('file_name', known['id']))
        photo = None
        if self._images is not None:
            pixels = read_photo(self._images / name)
            photo = self._pictures.add(f'{image}.jpg', draw_photo(pixels))
        overlay = self._overlay(image)
        for each in self._objects(image):
            self._add(overlay, each, self._class(each), TRUTH, '')
        return {
            'name': name,
            'width': known['width'],
            'height': known['height'],
            'photo': photo,
            'truth': self._pictures.add(
                f'{image}_truth.svg', overlay.encode()
            ),
            'legend': [],
            'models': {},
        }

    def show_model(self, image: int, model: int) -> list[str]:
        """What a model finds, what of it is wrong, and what it misses."""
        judged = self._judged[model][image]
        overlay = self._overlay(image)
        objects = zip(self._objects(image), judged.found, strict=True)
        for each, found in objects:
            if not found:
                text = f'missed {self._class(each)}'
                self._add(overlay, each, text, MISSED, '2 4')
        both = list(zip(judged.detections, judged.errors, strict=True))
        for each, error in reversed(both):
            text = f'{self._class(each)} {each["score"]:.2f}'
            if error == HIT:
                self._add(overlay, each, text, RIGHT, '')
            else:
                text += f': {IN_WORDS[error]}'
                self._add(overlay, each, text, WRONG, '8 4')
        name = f'{image}_{model}.svg'
        return [self._pictures.add(name, overlay.encode())]

    def _overlay(self, image: int) -> Overlay:
        known = self._truth.imgs[self._ids[image]]
        return Overlay(known['height'], known['width'])

    def _objects(self, image: int) -> list[Detection]:
        shown = self._truth.imgToAnns.get(self._ids[image], [])
        return [each for each in shown if not each['iscrowd']]

    def _class(self, entry: Detection) -> str:
        return str(self._truth.cats[entry['category_id']]['name'])

    def _add(
        self,
        overlay: Overlay,
        entry: Detection,
        text: str,
        colour: str,
        dashes: str,
    ) -> None:
        from pycocotools import mask

        if self._kind == 'bbox':
            overlay.add(entry['bbox'], None, text, colour, dashes)
            return
        run_lengths = self._truth.annToRLE(entry)
        overlay.add(
            mask.toBbox(run_lengths).tolist(),
            *(mask.decode(run_lengths), text, colour, dashes),
        )
