"""Puts the figures of runs side by side, with what is known of them."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Protocol

import numpy as np

from vitdense.benchmark.accuracy.average_precision import FloatArray, IntArray
from vitdense.benchmark.accuracy.errors import Errors, mean_errors
from vitdense.benchmark.accuracy.resampling import (
    draw_weights,
    intervals,
    p_values,
)

# resamples at a time, in a thread
CHUNK = 50


class Figures(Protocol):
    """What one run scores, for any weights of the images."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the figures ``(F,)``."""
        ...

    @property
    def images(self) -> tuple[Any, ...]:
        """What names the images ``(I,)``."""
        ...

    @property
    def errors(self) -> tuple[Errors, ...]:
        """Of detections, by boxes and by masks; none of label maps."""
        ...

    def values(self) -> FloatArray:
        """The figures ``(F,)``."""
        ...

    def resampled(self, weights: IntArray) -> FloatArray:
        """The figures ``(W, F)`` for weights ``(W, I)``."""
        ...

    def influences(self) -> FloatArray:
        """Derivatives of the figures by the weights ``(I, F)``."""
        ...


@dataclass(frozen=True)
class Joined:
    """Figures of several kinds, of one run: of boxes and of masks.

    Attributes:
        parts: At least one, of the same images.
    """

    parts: tuple[Figures, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Of all figures."""
        return tuple(name for each in self.parts for name in each.names)

    @property
    def images(self) -> tuple[Any, ...]:
        """What names the images."""
        return self.parts[0].images

    @property
    def errors(self) -> tuple[Errors, ...]:
        """Those of all parts."""
        return tuple(error for each in self.parts for error in each.errors)

    def values(self) -> FloatArray:
        """All figures ``(F,)``."""
        return np.concatenate([each.values() for each in self.parts])

    def resampled(self, weights: IntArray) -> FloatArray:
        """All figures ``(W, F)`` for weights ``(W, I)``."""
        return np.concatenate(
            [each.resampled(weights) for each in self.parts], axis=1
        )

    def influences(self) -> FloatArray:
        """Of the images on all figures ``(I, F)``."""
        return np.concatenate(
            [each.influences() for each in self.parts], axis=1
        )


@dataclass(frozen=True)
class Accuracy:
    """What a model scores.

    Attributes:
        name: Of the model.
        values: ``(F,)``, the mean over its runs.
        low: ``(F,)``, the lower end of the interval: what other images of
            the same kind could have given these very weights.
        high: The upper end.
        runs: ``(R, F)``, of each run: other seeds of the same training.
        errors: Of detections, by boxes and by masks, the mean over its runs.
    """

    name: str
    values: FloatArray
    low: FloatArray
    high: FloatArray
    runs: FloatArray
    errors: tuple[Errors, ...]

    @property
    def spread(self) -> FloatArray:
        """Standard deviation over runs ``(F,)``; NaN for a single one."""
        if len(self.runs) < 2:
            return np.full_like(self.values, np.nan)
        spread: FloatArray = self.runs.std(0, ddof=1)
        return spread


@dataclass(frozen=True)
class Difference:
    """The second model over the first, on the same images.

    Attributes:
        first: Name of a model.
        second: Of another.
        values: ``(F,)``, the second's less the first's.
        low: ``(F,)``, the lower end of the interval.
        high: The upper end.
        p: ``(F,)``, see ``resampling.p_values``.
    """

    first: str
    second: str
    values: FloatArray
    low: FloatArray
    high: FloatArray
    p: FloatArray


@dataclass(frozen=True)
class Comparison:
    """All that is known of some models on one data set.

    Attributes:
        figures: Names ``(F,)``; from 0 to 1, NaN where the data set has no
            such objects.
        images: How many there are.
        resamples: From how many drawings the intervals are.
        seed: Of the drawings.
        models: One for each.
        differences: One for each pair.
    """

    figures: tuple[str, ...]
    images: int
    resamples: int
    seed: int
    models: tuple[Accuracy, ...]
    differences: tuple[Difference, ...]


def compare_models(
    models: Mapping[str, Sequence[Figures]], resamples: int, seed: int
) -> Comparison:
    """Compare models by figures of their runs on the same images.

    Args:
        models: The runs of each, which differ by the seed of the training.
        resamples: How often images are drawn.
        seed: Of these drawings.

    Raises:
        ValueError: If two runs have not the same figures or images.
    """
    (name, (first, *_)), *_ = models.items()
    for other, runs in models.items():
        for each in runs:
            _check_same('figures', name, first.names, other, each.names)
            _check_same('images', name, first.images, other, each.images)
    images = len(first.images)
    weights = draw_weights(images, resamples, seed)
    runs_of = {
        model: np.stack([each.values() for each in runs])
        for model, runs in models.items()
    }
    values = {model: runs.mean(0) for model, runs in runs_of.items()}
    samples = {
        model: np.mean([_resampled(each, weights) for each in runs], axis=0)
        for model, runs in models.items()
    }
    shares = {
        model: np.mean([each.influences() for each in runs], axis=0)
        for model, runs in models.items()
    }
    return Comparison(
        first.names,
        *(images, resamples, seed),
        tuple(
            Accuracy(
                model,
                values[model],
                *intervals(
                    *(values[model], samples[model], shares[model]), lowest=0.0
                ),
                runs_of[model],
                mean_errors([each.errors for each in runs]),
            )
            for model, runs in models.items()
        ),
        tuple(
            _difference(one, two, values, samples, shares)
            for one, two in combinations(models, 2)
        ),
    )


def _resampled(figures: Figures, weights: IntArray) -> FloatArray:
    parts = [weights[i : i + CHUNK] for i in range(0, len(weights), CHUNK)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return np.concatenate(list(pool.map(figures.resampled, parts)))


def _difference(
    one: str,
    two: str,
    values: Mapping[str, FloatArray],
    samples: Mapping[str, FloatArray],
    shares: Mapping[str, FloatArray],
) -> Difference:
    value, drawn, share = (
        each[two] - each[one] for each in (values, samples, shares)
    )
    return Difference(
        *(one, two, value),
        *intervals(value, drawn, share, lowest=-1.0),
        p_values(value, drawn, share),
    )


def _check_same(
    what: str,
    one: str,
    of_one: Sequence[Any],
    other: str,
    of_other: Sequence[Any],
) -> None:
    if of_one == of_other:
        return
    here, there = set(of_one), set(of_other)
    lone = sorted(map(str, here ^ there))[:3]
    raise ValueError(
        f'{one} has {len(of_one)} {what}, {other} has {len(of_other)}; not '
        f'the same, for example {", ".join(lone) or "their order"}'
    )
