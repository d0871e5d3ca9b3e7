"""Intervals and p-values from images that are drawn again.

Images are drawn with replacement, as many as there are, the same ones for all
runs that are compared (a paired bootstrap: Efron and Tibshirani, An
Introduction to the Bootstrap, 1993, chapters 13 and 16). How far resamples
lie from the figure, to either side, says how far the figure may lie from what
all images would give.

Of few images, or where a few decide, that is too little: resamples spread
less than data sets do, by a factor of n - 1 to n, and their spread is itself
uncertain. Both are made up for as Student did for means, with the degrees of
freedom that the images' influences have: 2 n / (k - 1) for their kurtosis k,
so that a variance as uncertain as theirs is that of so many normal values
(Satterthwaite, An Approximate Distribution of Estimates of Variance
Components, Biometrics 2, 1946).
"""

from statistics import NormalDist

import numpy as np
from scipy.stats import t as student

from vitdense.benchmark.accuracy.average_precision import FloatArray, IntArray

# of fewer, the ends would be the outermost ones
LEAST_RESAMPLES = 100
# from so many images on, intervals have been seen to hold what they promise
LEAST_IMAGES = 100
LEVEL = 0.95


def draw_weights(images: int, resamples: int, seed: int) -> IntArray:
    """How often each image is drawn, ``(W, I)``."""
    rng = np.random.default_rng(seed)
    chances = np.full(images, 1 / images)
    weights: IntArray = rng.multinomial(images, chances, resamples)
    return weights


def intervals(
    values: FloatArray,
    samples: FloatArray,
    influences: FloatArray,
    lowest: float = -np.inf,
) -> tuple[FloatArray, FloatArray]:
    """Lower and upper ends of intervals, ``(F,)`` each.

    Args:
        values: ``(F,)``, of the data set.
        samples: ``(W, F)``, of its resamples; NaN where there is none.
        influences: ``(I, F)``, of its images.
        lowest: Of what values there are: 0 for figures, -1 for differences;
            1 is the highest.
    """
    distances = _distances(values, samples, influences)
    empty = np.isnan(distances).all(0)
    reach = np.nanquantile(
        # the quantile that a new value exceeds as often as is said
        *(np.where(empty, 0.0, distances), LEVEL),
        axis=0,
        method='weibull',
    )
    reach = np.where(empty, np.nan, reach)
    low, high = np.clip([values - reach, values + reach], lowest, 1.0)
    return low, high


def p_values(
    values: FloatArray, samples: FloatArray, influences: FloatArray
) -> FloatArray:
    """How likely a difference as large is where there is none, ``(F,)``.

    Two-sided, by the same distances as the interval: below 0.05 where that
    leaves out 0.

    Args:
        values: ``(F,)``, of the data set.
        samples: ``(W, F)``, of its resamples.
        influences: ``(I, F)``, of its images.
    """
    distances = _distances(values, samples, influences)
    count = (~np.isnan(distances)).sum(0)
    with np.errstate(invalid='ignore'):
        as_large = (distances >= np.abs(values)).sum(0)
    # the data set itself is one more sample, so that none is impossible
    p = (as_large + 1) / (count + 1)
    return np.where(np.isnan(values) | (count == 0), np.nan, p)


def _distances(
    values: FloatArray, samples: FloatArray, influences: FloatArray
) -> FloatArray:
    """Of resamples from the data set ``(W, F)``, widened as the head of this
    file says."""
    images = np.float64(len(influences))
    squares = (influences - influences.mean(0)) ** 2
    with np.errstate(invalid='ignore', divide='ignore'):
        kurtosis = (squares**2).mean(0) / squares.mean(0) ** 2
        freedom = 2 * images / (kurtosis - 1)
        spread = np.sqrt(images / (images - 1))
    tail = (1 + LEVEL) / 2
    wider = student.ppf(tail, freedom) / NormalDist().inv_cdf(tail) * spread
    # where no image has any influence, or all have as much, there is no doubt
    wider = np.where(np.isfinite(wider), wider, 1.0)
    distances: FloatArray = np.abs(samples - values) * wider
    # a class that one image alone has: it is drawn or not, and what another
    # would have shown cannot be known
    lone = np.isnan(samples).any(0) & ~(distances > 0).any(0)
    return np.where(lone, np.nan, distances)
