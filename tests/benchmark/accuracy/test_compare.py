"""Models beside each other: several seeds, and figures that are not alike."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from vitdense.benchmark.accuracy.compare import Figures, compare_models

IMAGES = 150


@dataclass(frozen=True)
class MeanOfImages:
    """A figure that is the mean of a value of each image, ``(I,)``."""

    of_images: np.ndarray
    names: tuple[str, ...] = ('mean',)
    images: tuple[int, ...] = tuple(range(IMAGES))
    errors: tuple[()] = ()

    def values(self) -> np.ndarray:
        return np.array([self.of_images.mean()])

    def resampled(self, weights: np.ndarray) -> np.ndarray:
        return (weights @ self.of_images / weights.sum(1))[:, None]

    def influences(self) -> np.ndarray:
        centred = self.of_images - self.of_images.mean()
        return centred[:, None] / len(centred)


@pytest.fixture
def run() -> MeanOfImages:
    rng = np.random.default_rng(0)
    return MeanOfImages(rng.uniform(0.3, 0.5, IMAGES))


def test_spreads_of_seeds_and_of_images(run: MeanOfImages) -> None:
    """Seeds that differ alike on all images do not widen the interval."""
    better = replace(run, of_images=run.of_images + 0.1)
    models: dict[str, list[Figures]] = {'one': [run], 'two': [run, better]}
    one, two = compare_models(models, 400, 0).models
    assert two.values == pytest.approx(one.values + 0.05)
    assert two.runs[:, 0] == pytest.approx(
        [one.values[0], one.values[0] + 0.1]
    )
    assert np.isnan(one.spread).all()
    assert two.spread == pytest.approx([0.1 / 2**0.5])
    assert two.low == pytest.approx(one.low + 0.05)
    assert two.high == pytest.approx(one.high + 0.05)
    assert 0 < (two.high - two.low)[0] < 0.03


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'names': ('other',)}, 'A has 1 figures, B has 1; not the same'),
        (
            {'images': tuple(range(IMAGES - 1))},
            'A has 150 images, B has 149; not the same, for example 149',
        ),
    ],
)
def test_what_is_not_alike(
    run: MeanOfImages, change: dict[str, Any], message: str
) -> None:
    other = MeanOfImages(run.of_images, **change)
    models: dict[str, list[Figures]] = {'A': [run], 'B': [other]}
    with pytest.raises(ValueError, match=message):
        compare_models(models, 100, 0)
