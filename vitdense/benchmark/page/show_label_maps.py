"""Label maps of two models in the pictures where they disagree."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vitdense.benchmark.accuracy.model_run import ModelRun
from vitdense.benchmark.accuracy.runs import read_labels
from vitdense.benchmark.accuracy.segmentation import (
    IGNORED,
    SegmentationFigures,
)
from vitdense.benchmark.page.drawing import (
    colour_of,
    draw_labels,
    draw_marked,
    draw_photo,
    read_photo,
)
from vitdense.benchmark.page.pictures import Pictures


class LabelMapGallery:
    """What segmenters say of images.

    Args:
        figures: Of one run of each model.
        runs: The same.
        images: The folder of the pictures, or None.
        pictures: Keeps what is drawn.
    """

    def __init__(
        self,
        figures: Sequence[SegmentationFigures],
        runs: Sequence[ModelRun],
        images: Path | None,
        pictures: Pictures,
    ) -> None:
        self._figures, self._runs = figures, runs
        self._images, self._pictures = images, pictures
        self._scores = [_of_images(each) for each in figures]

    def about(self) -> list[str]:
        """How disagreement is measured."""
        return [
            'By how much the mIoU of the single image differs, over the '
            'classes that it has or is said to have.'
        ]

    def disagreements(self, one: int, two: int) -> npt.NDArray[np.float64]:
        """Of two models on all images ``(I,)``."""
        return np.abs(np.nan_to_num(self._scores[one] - self._scores[two]))

    def say(self, image: int, one: int, two: int) -> list[str]:
        """What the two score."""
        return [
            f'mIoU {100 * self._scores[each][image]:.1f}'
            for each in (one, two)
        ]

    def show(self, image: int) -> dict[str, Any]:
        """The picture, its classes and their colours."""
        stem = str(self._figures[0].images[image])
        labels = self._truth(image)
        photo = None
        if self._images is not None:
            pixels = read_photo(_photo(self._images, stem))
            photo = self._pictures.add(f'{image}.jpg', draw_photo(pixels))
        return {
            'name': stem,
            'width': labels.shape[1],
            'height': labels.shape[0],
            'photo': photo,
            'truth': self._pictures.add(
                f'{image}_truth.png', draw_labels(labels, IGNORED)
            ),
            'legend': self._legend(image),
            'models': {},
        }

    def _legend(self, image: int) -> list[list[Any]]:
        """Name and colour of each class that is there or is said to be, and
        the models that say it; None for all."""
        is_true = self._figures[0].true[image] > 0
        is_said = np.array([e.predicted[image] > 0 for e in self._figures])
        return [
            [
                self._figures[0].classes[label],
                list(colour_of(label)),
                None
                if is_true[label]
                else np.flatnonzero(is_said[:, label]).tolist(),
            ]
            for label in np.flatnonzero(is_true | is_said.any(0)).tolist()
        ]

    def show_model(self, image: int, model: int) -> list[str]:
        """What a model says, and where that is wrong."""
        truth = self._truth(image)
        run = self._runs[model]
        said = read_labels(run.predictions / self._name(image), run)
        wrong = (said != truth) & (truth != IGNORED)
        return [
            self._pictures.add(
                f'{image}_{model}.png', draw_labels(said, IGNORED)
            ),
            self._pictures.add(
                f'{image}_{model}_wrong.png', draw_marked(wrong)
            ),
        ]

    def _name(self, image: int) -> str:
        return f'{self._figures[0].images[image]}.png'

    def _truth(self, image: int) -> npt.NDArray[np.integer]:
        run = self._runs[0]
        return read_labels(run.annotations / self._name(image), run)


def _of_images(figures: SegmentationFigures) -> npt.NDArray[np.float64]:
    """mIoU of each image alone ``(I,)``."""
    union = figures.true + figures.predicted - figures.hit
    there = union > 0
    ratio = np.where(there, figures.hit / np.maximum(union, 1), 0.0)
    count: npt.NDArray[np.float64] = ratio.sum(1) / np.maximum(there.sum(1), 1)
    return count


def _photo(folder: Path, stem: str) -> Path:
    found = [
        each
        for suffix in ('.jpg', '.jpeg', '.png', '.JPEG', '.JPG')
        if (each := folder / f'{stem}{suffix}').is_file()
    ]
    if not found:
        raise FileNotFoundError(f'{str(folder)!r} has no picture {stem!r}')
    return found[0]
