"""Intervals and p-values from images that are drawn again.

Images are drawn with replacement, as many as there are, the same ones for all
runs that are compared (a paired bootstrap: Efron and Tibshirani, An
Introduction to the Bootstrap, 1993, chapters 13 and 16). AP is higher where
there are fewer different images, since its precisions are maxima. A resample
has fewer than the data set, and so resamples are too high by about what the
data set itself is. The basic interval takes that back, percentiles would
double it.
"""

import numpy as np

from vitdense.benchmark.accuracy.average_precision import FloatArray, IntArray

# of fewer, the ends would be the outermost ones
LEAST_RESAMPLES = 100
LEVEL = 0.95


def draw_weights(images: int, resamples: int, seed: int) -> IntArray:
    """How often each image is drawn, ``(W, I)``."""
    rng = np.random.default_rng(seed)
    chances = np.full(images, 1 / images)
    weights: IntArray = rng.multinomial(images, chances, resamples)
    return weights


def intervals(
    values: FloatArray, samples: FloatArray, lowest: float = -np.inf
) -> tuple[FloatArray, FloatArray]:
    """Lower and upper ends of basic bootstrap intervals, ``(F,)`` each.

    Args:
        values: ``(F,)``, of the data set.
        samples: ``(W, F)``, of its resamples; NaN where there is none.
        lowest: Of what values there are: 0 for figures, -1 for differences;
            1 is the highest.
    """
    tail = (1 - LEVEL) / 2
    low, high = _quantiles(samples, [tail, 1 - tail])
    ends = np.clip([2 * values - high, 2 * values - low], lowest, 1.0)
    return ends[0], ends[1]


def p_values(values: FloatArray, samples: FloatArray) -> FloatArray:
    """How likely a difference as large is where there is none, ``(F,)``.

    Two-sided, by the same resamples as the interval: below 0.05 where that
    leaves out 0.

    Args:
        values: ``(F,)``, of the data set.
        samples: ``(W, F)``, of its resamples.
    """
    there = ~np.isnan(samples)
    count = there.sum(0)
    with np.errstate(invalid='ignore'):
        below = (samples <= 2 * values).sum(0)
        above = (samples >= 2 * values).sum(0)
    # the data set itself is one more sample, so that none is impossible
    p = np.minimum(1.0, 2 * (np.minimum(below, above) + 1) / (count + 1))
    return np.where(np.isnan(values) | (count == 0), np.nan, p)


def _quantiles(samples: FloatArray, at: list[float]) -> FloatArray:
    empty = np.isnan(samples).all(0)
    filled = np.where(empty, 0.0, samples)
    quantiles: FloatArray = np.nanquantile(filled, at, axis=0)
    return np.where(empty, np.nan, quantiles)
