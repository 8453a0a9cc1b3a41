"""The 95 % intervals of means of numbers, by the bootstrap, and of differences between two groups' means."""

from functools import lru_cache

import numpy as np
from scipy.stats import norm, t

from memprune.findings.intervals import RESAMPLES


def mean_intervals(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The interval of the mean of each row of `values` (rows × items, float64), NaN where it is unknown.

    Items are resampled, the same for all rows; ends are percentiles, expanded for few items (Hesterberg 2015,
    The American Statistician 69, 371–386). One item tells nothing of others, nor does a value that is
    infinite.
    """
    rows, items = values.shape
    unknown = np.full(rows, np.nan)
    if items < 2 or not rows:
        return unknown, unknown
    finite = np.isfinite(values).all(axis=1)
    means = np.where(finite[:, None], values, 0) @ resamples(items)
    share = norm.cdf(np.sqrt(items / (items - 1)) * t.ppf(0.025, items - 1))
    ends = np.quantile(means, [share, 1 - share], axis=1)
    return tuple(np.where(finite, ends, np.nan))


@lru_cache(maxsize=4)
def resamples(items: int) -> np.ndarray:
    """The weight of each item in each resample, items × `RESAMPLES` (float64), from a fixed seed."""
    generator = np.random.default_rng(0)
    drawn = generator.integers(items, size=(RESAMPLES, items)) + items * np.arange(RESAMPLES)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=RESAMPLES * items).reshape(RESAMPLES, items)
    return counts.T / items


def welch_intervals(values: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The interval of each difference of means of unlike items, values − others, a row each; NaN if unknown.

    Source: Welch 1947, Biometrika 34, 28–35. Unknown is what has one item in a group, or an infinite value.
    Where no value differs from another of its group, the interval is the difference itself.
    """
    sizes = values.shape[1], others.shape[1]
    if min(sizes) < 2:
        unknown = np.full(len(values), np.nan)
        return unknown, unknown
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = values.mean(axis=1) - others.mean(axis=1)
        first, second = (own.var(axis=1, ddof=1) / own.shape[1] for own in (values, others))
        freedom = (first + second) ** 2 / (first**2 / (sizes[0] - 1) + second**2 / (sizes[1] - 1))
        width = t.ppf(0.975, freedom) * np.sqrt(first + second)
    width = np.where(first + second == 0, 0, width)
    return difference - width, difference + width
