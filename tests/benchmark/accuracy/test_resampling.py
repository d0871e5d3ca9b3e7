"""Intervals hold what they promise."""

from collections.abc import Callable

import numpy as np
import pytest

from vitdense.benchmark.accuracy.average_precision import (
    MOST,
    FloatArray,
    IntArray,
    Matches,
    means,
)
from vitdense.benchmark.accuracy.resampling import (
    draw_weights,
    intervals,
    p_values,
)

SIMULATED = 1000
CLASSES = 4


def test_all_images_are_drawn_as_often() -> None:
    weights = draw_weights(images=50, resamples=400, seed=1)
    assert (weights.sum(1) == 50).all()
    assert abs(weights.mean(0) - 1).max() < 0.25
    assert (weights == draw_weights(50, 400, 1)).all()


def test_what_resamples_are_too_high_is_taken_back() -> None:
    samples = np.linspace(0.5, 0.7, 2001, dtype=np.float64)[:, None]
    (low,), (high,) = intervals(np.array([0.55]), samples)
    assert (low, high) == (pytest.approx(0.405), pytest.approx(0.595))
    # as the test has it: an interval that leaves out 0 is p < 0.05
    for value, likely in ((0.345, True), (0.355, False)):
        (p,) = p_values(np.array([value]), samples)
        (low,), (high,) = intervals(np.array([value]), samples, -1.0)
        assert (low <= 0 <= high) == (p > 0.05) == likely


def test_nothing_is_known_of_what_is_not_there() -> None:
    nothing = np.full((200, 1), np.nan)
    value = np.array([np.nan])
    low, high = intervals(value, nothing)
    assert np.isnan([low, high, p_values(value, nothing)]).all()


def detections(images: int, rng: np.random.Generator, skill: float) -> Matches:
    """A detector on pictures of which some are harder than others.

    What is found has a score that tells, roughly, how well it is placed;
    harder pictures have more that is not there.
    """
    hard = rng.normal(0, 0.5, images)
    groups = []
    for _ in range(CLASSES):
        objects = np.repeat(np.arange(images), rng.poisson(1.0, images))
        quality = rng.normal(0.8 + skill - hard[objects], 1.0)
        overlap = 1 / (1 + np.exp(-quality))
        passed = np.clip(np.floor((overlap - 0.5) / 0.05) + 1, 0, 10)
        found = rng.random(len(objects)) < 0.9
        wrong = np.repeat(
            np.arange(images), rng.poisson(np.exp(0.2 + 0.5 * hard))
        )
        image = np.concatenate([objects[found], wrong])
        score = np.concatenate(
            [
                quality[found] + rng.normal(0, 1, found.sum()),
                rng.normal(-0.8, 1.2, len(wrong)),
            ]
        )
        bits = (1 << passed[found].astype(np.int64)) - 1
        matched = np.concatenate([bits, np.zeros(len(wrong), np.int64)])
        order = np.argsort(-score, kind='mergesort')
        groups.append((image[order], matched[order], objects))
    image, matched, objects = map(np.concatenate, zip(*groups, strict=True))
    nothing = np.zeros(len(image), np.int64)
    return Matches(
        np.cumsum([0, *(len(each[0]) for each in groups)]),
        *(image, nothing, matched, nothing),
        np.cumsum([0, *(len(each[2]) for each in groups)]),
        objects,
    )


def average_precision(matches: Matches, weights: IntArray) -> FloatArray:
    """AP ``(W, 1)``."""
    return means(matches, weights, MOST)[0].mean((1, 2))[:, None]


def mean_iou(pixels: FloatArray, weights: IntArray) -> FloatArray:
    """mIoU ``(W, 1)`` of true positives, false ones and misses ``(I, K,
    3)``."""
    hit, wrong, missed = np.moveaxis(
        np.tensordot(weights.astype(float), pixels, 1), -1, 0
    )
    return (hit / (hit + wrong + missed)).mean(1, keepdims=True)


def areas(images: int, rng: np.random.Generator, skill: float) -> FloatArray:
    hard = rng.normal(0, 0.5, (images, 1))
    share = 1 / (1 + np.exp(-rng.normal(1 + skill - hard, 0.7, (images, 5))))
    size = rng.lognormal(0, 1, (images, 5)) * (rng.random((images, 5)) < 0.6)
    wrong = rng.permuted(size * (1 - share), axis=1)
    return np.stack([size * share, wrong, size * (1 - share)], -1)


@pytest.mark.soak
@pytest.mark.parametrize(
    ('simulate', 'figure'),
    [(detections, average_precision), (areas, mean_iou)],
)
@pytest.mark.parametrize('images', [100, 400])
def test_coverage(simulate: Callable, figure: Callable, images: int) -> None:
    """94 to 96 of 100 intervals hold what all pictures there are would give;
    so do those of the difference of two models."""
    truth = {
        skill: figure(
            simulate(200_000, np.random.default_rng(9), skill),
            np.ones((1, 200_000), np.int64),
        )[0]
        for skill in (0.0, 0.1)
    }
    held = {'a figure': 0, 'a difference': 0}
    for number in range(SIMULATED):
        weights = draw_weights(images, 400, number)
        ones = np.ones((1, images), np.int64)
        value, samples = {}, {}
        for skill in truth:
            # the same pictures, and about the same luck
            drawn = simulate(images, np.random.default_rng(number), skill)
            value[skill] = figure(drawn, ones)[0]
            samples[skill] = figure(drawn, weights)
        low, high = intervals(value[0.0], samples[0.0])
        held['a figure'] += int(low[0] <= truth[0.0][0] <= high[0])
        low, high = intervals(
            value[0.1] - value[0.0], samples[0.1] - samples[0.0], -1.0
        )
        expected = truth[0.1][0] - truth[0.0][0]
        held['a difference'] += int(low[0] <= expected <= high[0])
    print(f'{simulate.__name__}, {images} images of {SIMULATED}: {held}')
    assert 0.94 * SIMULATED <= held['a figure'] <= 0.96 * SIMULATED
    assert 0.94 * SIMULATED <= held['a difference'] <= 0.96 * SIMULATED
