"""The log-probability of the whole suffix after its context: the sum over its tokens, in nats.

Source: the definition of a causal language model, by the chain rule.
"""

import numpy as np

from memprune.scoring.evidence import Evidence

LESS_MEMORIZED = "lower"


def measure(evidence: Evidence) -> np.ndarray:
    """One float64 a row, at most 0."""
    return evidence.log_probability.sum(axis=1, dtype=np.float64)
