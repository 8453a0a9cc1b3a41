"""Intervals of fractions and of their differences."""

import numpy as np
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint


def wilson_interval(counted: np.ndarray, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's 95 % interval of each fraction of `samples` (at least 1), float64.

    At none and at all its formula ends at 0 and 1, which rounding misses.
    """
    low, high = proportion_confint(counted, samples, method="wilson")
    return np.where(counted == 0, 0.0, low), np.where(counted == samples, 1.0, high)


def newcombe_interval(
    counted: np.ndarray, samples: np.ndarray, other_counted: np.ndarray, other_samples: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Newcombe's 95 % interval of each difference of two fractions of unlike samples (at least 1), float64.

    Its method 10, from Wilson's intervals (Statistics in Medicine 17, 1998: 873-890). It holds the
    difference and lies within -1 and 1, both of which rounding may miss.
    """
    low, high = confint_proportions_2indep(
        counted, samples, other_counted, other_samples, method="newcomb", compare="diff"
    )
    difference = counted / samples - other_counted / other_samples
    return np.clip(low, -1.0, difference), np.clip(high, difference, 1.0)
