"""Intervals hold what they promise."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import t

from vitdense.benchmark.accuracy.average_precision import (
    MOST,
    FloatArray,
    IntArray,
    Matches,
    means,
)
from vitdense.benchmark.accuracy.influence import influences
from vitdense.benchmark.accuracy.resampling import (
    draw_weights,
    intervals,
    p_values,
)

# five times a thousand: of so many, 0.3 % is one standard deviation
SIMULATED = 5000
CLASSES = 4


def test_all_images_are_drawn_as_often() -> None:
    weights = draw_weights(images=50, resamples=400, seed=1)
    assert (weights.sum(1) == 50).all()
    assert abs(weights.mean(0) - 1).max() < 0.25
    assert (weights == draw_weights(50, 400, 1)).all()


def test_as_far_as_resamples_are_to_either_side() -> None:
    """And wider by Student's factor where few images decide."""
    samples = np.linspace(0.5, 0.7, 2001, dtype=np.float64)[:, None]
    many = np.tile([[-1.0], [1.0]], (5000, 1))  # all as much
    value = np.array([0.55])
    (low,), (high,) = intervals(value, samples, many)
    assert (low, high) == pytest.approx((0.41, 0.69), abs=2e-4)
    few = np.zeros((100, 1))
    few[:5, 0] = 4, -1, -1, -1, -1
    kurtosis = 100 * (few**4).sum() / (few**2).sum() ** 2
    factor = t.ppf(0.975, 200 / (kurtosis - 1)) / 1.95996 * (100 / 99) ** 0.5
    assert factor > 1.2
    (low,), (high,) = intervals(value, samples, few)
    assert (high - low) / 0.28 == pytest.approx(factor, rel=1e-3)


def test_p_says_what_the_interval_says() -> None:
    rng = np.random.default_rng(0)
    spread = rng.normal(size=(999, 400))
    shares = rng.normal(size=(60, 400)) ** 3
    value = rng.normal(1.8, 0.8, 400)
    low, high = intervals(value, value + spread, shares)
    p = p_values(value, value + spread, shares)
    leaves_out = (low > 0) | (high < 0)
    assert 0.2 < leaves_out.mean() < 0.8
    # on the very edge, a difference may be one of the distances
    clear = np.abs(p - 0.05) > 0.0011
    assert clear.mean() > 0.9
    assert ((p < 0.05) == leaves_out)[clear].all()


def test_nothing_is_known_of_what_is_not_there() -> None:
    nothing = np.full((200, 1), np.nan)
    value = np.array([np.nan])
    ends = intervals(value, nothing, nothing)
    assert np.isnan([*ends, p_values(value, nothing, nothing)]).all()


def test_nothing_is_known_of_what_one_image_has() -> None:
    """It is drawn, and says the same each time, or it is not."""
    samples = np.full((200, 1), 0.5)
    samples[::3] = np.nan
    given = (np.array([0.5]), samples, np.zeros((9, 1)))
    assert np.isnan(intervals(*given)).all()
    assert np.isnan(p_values(*given)).all()


def test_no_doubt_where_no_image_differs() -> None:
    ones, zeros = np.ones((200, 1)), np.zeros((50, 1))
    ends = intervals(np.ones(1), ones, zeros)
    assert np.array_equal(ends, np.ones((2, 1)))


def detections(
    images: int, rng: np.random.Generator, skill: float, share: float = 1.0
) -> Matches:
    """A detector on pictures of which some are harder than others.

    What is found has a score that tells, roughly, how well it is placed;
    harder pictures have more that is not there. A class is in a share of the
    pictures.
    """
    hard = rng.normal(0, 0.5, images)
    groups = []
    for _ in range(CLASSES):
        times = rng.poisson(1.0, images)
        if share < 1:
            times *= rng.random(images) < share
        objects = np.repeat(np.arange(images), times)
        quality = rng.normal(0.8 + skill - hard[objects], 1.0)
        overlap = 1 / (1 + np.exp(-quality))
        passed = np.clip(np.floor((overlap - 0.5) / 0.05) + 1, 0, 10)
        found = rng.random(len(objects)) < 0.9
        wrong = np.repeat(
            np.arange(images), rng.poisson(share * np.exp(0.2 + 0.5 * hard))
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
    return of_classes(matches, weights).mean(1, keepdims=True)


def of_classes(matches: Matches, weights: IntArray) -> FloatArray:
    """AP ``(W, K)``, NaN of classes without objects."""
    precision = means(matches, weights, MOST)[0].mean(2)
    return np.where(precision < 0, np.nan, precision)


def on_average_precision(matches: Matches, images: int) -> FloatArray:
    """What images change in it, ``(I, 1)``."""
    return on_classes(matches, images).mean(1, keepdims=True)


def on_classes(matches: Matches, images: int) -> FloatArray:
    """What images change in each class ``(I, K)``."""
    on = [influences(matches, k, images, MOST)[1] for k in range(CLASSES)]
    return np.mean(on, axis=2).T


def mean_iou(pixels: FloatArray, weights: IntArray) -> FloatArray:
    """mIoU ``(W, 1)`` of true positives, false ones and misses ``(I, K,
    3)``."""
    hit, wrong, missed = np.moveaxis(
        np.tensordot(weights.astype(float), pixels, 1), -1, 0
    )
    return (hit / (hit + wrong + missed)).mean(1, keepdims=True)


def on_mean_iou(pixels: FloatArray, images: int) -> FloatArray:
    assert len(pixels) == images
    hit, every = pixels[..., 0], pixels.sum(-1)
    ratio = hit.sum(0) / every.sum(0)
    return ((hit - ratio * every) / every.sum(0)).mean(1, keepdims=True)


def areas(images: int, rng: np.random.Generator, skill: float) -> FloatArray:
    hard = rng.normal(0, 0.5, (images, 1))
    share = 1 / (1 + np.exp(-rng.normal(1 + skill - hard, 0.7, (images, 5))))
    size = rng.lognormal(0, 1, (images, 5)) * (rng.random((images, 5)) < 0.6)
    wrong = rng.permuted(size * (1 - share), axis=1)
    return np.stack([size * share, wrong, size * (1 - share)], -1)


def test_influences_are_what_resamples_show() -> None:
    """To first order, a resample changes a figure by those of its images."""
    drawn = detections(300, np.random.default_rng(3), 0.0)
    shares = on_average_precision(drawn, 300)
    assert shares.sum() == pytest.approx(0, abs=1e-12)
    weights = draw_weights(300, 200, 0)
    samples = average_precision(drawn, weights)[:, 0]
    expected = (weights @ shares)[:, 0]
    assert np.corrcoef(samples, expected)[0, 1] > 0.97
    assert expected.std() == pytest.approx(samples.std(), rel=0.1)


@pytest.mark.parametrize(
    ('simulate', 'figure', 'on_figure'),
    [
        (detections, average_precision, on_average_precision),
        (areas, mean_iou, on_mean_iou),
    ],
)
@pytest.mark.parametrize(
    ('images', 'simulated'),
    [
        pytest.param(100, 1000, marks=pytest.mark.slow),
        pytest.param(100, SIMULATED, marks=pytest.mark.soak),
        pytest.param(400, SIMULATED, marks=pytest.mark.soak),
    ],
)
def test_coverage(
    simulate: Callable,
    figure: Callable,
    on_figure: Callable,
    images: int,
    simulated: int,
) -> None:
    """94 to 96 of 100 intervals hold what all pictures there are would give;
    so do those of the difference of two models."""
    ones = np.ones((1, images), np.int64)
    every = np.ones((1, 200_000), np.int64)
    truth = []
    for skill in (0.0, 0.1):
        drawn = simulate(200_000, np.random.default_rng(9), skill)
        truth.append(figure(drawn, every)[0])
    expected = {'a figure': truth[0], 'a difference': truth[1] - truth[0]}
    held = dict.fromkeys(expected, 0)
    for number in range(simulated):
        weights = draw_weights(images, 400, number)
        known = []
        for skill in (0.0, 0.1):
            # the same pictures, and about the same luck
            drawn = simulate(images, np.random.default_rng(number), skill)
            known.append(
                (
                    figure(drawn, ones)[0],
                    figure(drawn, weights),
                    on_figure(drawn, images),
                )
            )
        first, second = known
        difference = [b - a for a, b in zip(first, second, strict=True)]
        for name, each in zip(expected, (first, difference), strict=True):
            low, high = intervals(*each)
            held[name] += int(low[0] <= expected[name][0] <= high[0])
    print(f'{simulate.__name__}, {images} images of {simulated}: {held}')
    assert 0.94 * simulated <= held['a figure'] <= 0.96 * simulated
    assert 0.94 * simulated <= held['a difference'] <= 0.96 * simulated


@pytest.mark.soak
@pytest.mark.parametrize(
    ('images', 'share'), [(100, 0.3), (400, 0.1), (1000, 0.03)]
)
def test_coverage_of_rare_classes(images: int, share: float) -> None:
    """They hold as often where a class has some 30 objects."""
    drawn = detections(400_000, np.random.default_rng(9), 0.0, share)
    truth = of_classes(drawn, np.ones((1, 400_000), np.int64)).mean()
    held = count = 0
    for number in range(SIMULATED // CLASSES):
        drawn = detections(images, np.random.default_rng(number), 0.0, share)
        low, high = intervals(
            of_classes(drawn, np.ones((1, images), np.int64))[0],
            of_classes(drawn, draw_weights(images, 400, number)),
            on_classes(drawn, images),
        )
        held += int(((low <= truth) & (truth <= high)).sum())
        count += int((~np.isnan(low)).sum())
    print(f'classes in {share:.0%} of {images} images: {held} of {count}')
    assert 0.94 * count <= held <= 0.96 * count
