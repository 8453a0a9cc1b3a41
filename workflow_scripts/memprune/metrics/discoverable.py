"""Whether a suffix is (n, p)-discoverable: n samples at temperature 1 hold it with probability p at least.

That is 1 - (1 - p_z)^n >= p, where p_z is the suffix's probability. Source: Hayes et al. 2024, *Measuring
Memorization in Language Models via Probabilistic Extraction*, arXiv 2410.19482. Text that no model has seen
is discoverable too when n is large: read it beside the same rate on non-members.
"""

import numpy as np

from memprune.metrics import suffix_log_probability
from memprune.scoring.evidence import Evidence

LESS_MEMORIZED = "lower"


def measure(evidence: Evidence, n: int, p: float) -> np.ndarray:
    """One bool a row, for n of 1 at least and p between 0 and 1."""
    return n * log_of_rest(suffix_log_probability.measure(evidence)) <= np.log1p(-p)


def log_of_rest(log_probability: np.ndarray) -> np.ndarray:
    """log(1 - exp(x)) of each x <= 0, precise for x near 0 and for exp(x) near 0; float64, -inf at 0.

    Source: Mächler 2012, *Accurately Computing log(1 - exp(-|a|))*, equation 7.
    """
    likely = log_probability > -np.log(2)
    with np.errstate(divide="ignore"):
        return np.where(likely, np.log(-np.expm1(log_probability)), np.log1p(-np.exp(log_probability)))
