"""Figures of label maps, from the pixels of each image."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from vitdense.benchmark.accuracy.average_precision import FloatArray, IntArray
from vitdense.benchmark.accuracy.errors import Errors

IGNORED = 255
Labels = npt.NDArray[np.integer]


@dataclass(frozen=True)
class SegmentationFigures:
    """mIoU and accuracies, also of each class, of one run.

    Of an image's confusion matrix (true class by predicted class) the
    diagonal and both sums are all that these figures need.

    Attributes:
        classes: Their names.
        images: What names them, sorted.
        hit: ``(I, C)``, pixels of each image whose class is right.
        true: ``(I, C)``, pixels of each class.
        predicted: ``(I, C)``, pixels predicted to be of it.
    """

    classes: tuple[str, ...]
    images: tuple[Any, ...]
    hit: IntArray
    true: IntArray
    predicted: IntArray

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of the figures: ``mIoU``, ``mAcc``, ``aAcc``, ``IoU: wall``...,
        ``Acc: wall``..."""
        every = (
            f'{figure}: {name}'
            for figure in ('IoU', 'Acc')
            for name in self.classes
        )
        return ('mIoU', 'mAcc', 'aAcc', *every)

    @property
    def errors(self) -> tuple[Errors, ...]:
        """Of detection; none."""
        return ()

    def values(self) -> FloatArray:
        """The figures ``(F,)``, from 0 to 1; NaN for none."""
        weights = np.ones((1, len(self.images)), np.int64)
        figures: FloatArray = self.resampled(weights)[0]
        return figures

    def resampled(self, weights: IntArray) -> FloatArray:
        """The figures ``(W, F)`` for weights ``(W, I)`` of the images.

        A class without a pixel, true or predicted, has no IoU, one without a
        true pixel no accuracy; these count in no mean, as in mmseg.
        """
        # exact in float64 up to 2 ** 53 pixels, and much faster than integers
        hit, true, predicted = (
            weights.astype(float) @ each.astype(float)
            for each in (self.hit, self.true, self.predicted)
        )
        with np.errstate(invalid='ignore', divide='ignore'):
            iou = hit / (true + predicted - hit)
            accuracy = hit / true
            all_right = hit.sum(1) / true.sum(1)
        return np.column_stack(
            [_nanmean(iou), _nanmean(accuracy), all_right, iou, accuracy]
        )

    def influences(self) -> FloatArray:
        """Of the images on the figures ``(I, F)``; NaN for none."""
        hit, true, predicted = self.hit, self.true, self.predicted
        iou = _ratio_influences(hit, true + predicted - hit)
        accuracy = _ratio_influences(hit, true)
        all_right = _ratio_influences(
            hit.sum(1, keepdims=True), true.sum(1, keepdims=True)
        )
        return np.column_stack(
            [_nanmean(iou), _nanmean(accuracy), all_right, iou, accuracy]
        )


def _ratio_influences(part: IntArray, whole: IntArray) -> FloatArray:
    """Of rows on the ratio of two sums over rows, ``(I, C)``: derivatives by
    their weights."""
    with np.errstate(invalid='ignore', divide='ignore'):
        total = whole.sum(0)
        ratio = part.sum(0) / total
        influences: FloatArray = (part - ratio * whole) / total
    return influences


def _nanmean(values: FloatArray) -> FloatArray:
    there = ~np.isnan(values)
    total = np.where(there, values, 0.0).sum(1)
    count = there.sum(1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def count_pixels(
    classes: tuple[str, ...], images: Iterable[tuple[Any, Labels, Labels]]
) -> SegmentationFigures:
    """Count the pixels of label maps.

    Args:
        classes: Names of the classes 0, 1, ...
        images: What names an image, its true and its predicted classes
            ``(H, W)``; true pixels of 255 do not count.

    Raises:
        ValueError: If a map has another size, or a class that is none.
    """
    names, counts = [], []
    number = len(classes)
    for name, true, predicted in images:
        if true.shape != predicted.shape:
            raise ValueError(
                f'{name}: the prediction is {predicted.shape[0]} x '
                f'{predicted.shape[1]} pixels, the truth {true.shape[0]} x '
                f'{true.shape[1]}'
            )
        counted = true != IGNORED
        for what, labels in (('truth', true), ('prediction', predicted)):
            highest = labels[counted].max(initial=0)
            if highest >= number:
                raise ValueError(
                    f'{name}: the {what} has a label {highest}; there are '
                    f'{number} classes, 0 to {number - 1}'
                )
        is_true, is_said = true[counted], predicted[counted]
        names.append(name)
        counts.append(
            [
                np.bincount(each, minlength=number)
                for each in (is_true[is_true == is_said], is_true, is_said)
            ]
        )
    hit, true_counts, said = np.moveaxis(
        np.array(counts, np.int64).reshape(len(names), 3, number), 1, 0
    )
    return SegmentationFigures(classes, tuple(names), hit, true_counts, said)
