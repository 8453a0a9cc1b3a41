"""Intervals of fractions."""

import numpy as np
from statsmodels.stats.proportion import proportion_confint


def wilson_interval(counted: np.ndarray, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's 95 % interval of each fraction of `samples` (at least 1), float64.

    At none and at all its formula ends at 0 and 1, which rounding misses.
    """
    low, high = proportion_confint(counted, samples, method="wilson")
    return np.where(counted == 0, 0.0, low), np.where(counted == samples, 1.0, high)
