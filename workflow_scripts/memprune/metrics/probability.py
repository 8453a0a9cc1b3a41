"""The probability p = exp(suffix log-probability) that sampling at temperature 1 yields the suffix at once.

Source: p_z of Hayes et al. 2024, *Measuring Memorization in Language Models via Probabilistic Extraction*,
arXiv 2410.19482. That of fifty tokens is mostly far below 1e-9, so a few samples decide a table's mean.
"""

import numpy as np

from memprune.metrics import suffix_log_probability
from memprune.scoring.evidence import Evidence

LESS_MEMORIZED = "lower"


def measure(evidence: Evidence) -> np.ndarray:
    """One float64 a row, from 0 to 1; 0 where it is below the smallest float64."""
    return np.exp(suffix_log_probability.measure(evidence))
