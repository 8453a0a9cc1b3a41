"""The smallest margin of the suffix's tokens: how far the model is from reproducing it, or from failing to.

A suffix is extracted when it is positive, or 0 and no other token of a smaller id has the same logit. While
no logit is off by more than half its absolute value, `extracted` stays what it is. Source: ours, from the
definition of `extracted`.
"""

import numpy as np

from memprune.scoring.evidence import Evidence

LESS_MEMORIZED = "lower"


def measure(evidence: Evidence) -> np.ndarray:
    """One float64 a row: the true token's logit minus the largest other one."""
    return evidence.margin.min(axis=1).astype(np.float64)
