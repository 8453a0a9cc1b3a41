"""The share of the suffix's tokens that are the arg max, given the true tokens before each: forced accuracy.

Free decoding, which goes on from its own tokens, gives another number. Source: the memorization metric of
Tirumala et al. 2022, *Memorization Without Overfitting*, arXiv 2205.10770, as open-unlearning has it.
"""

import numpy as np

from memprune.scoring.evidence import Evidence

LESS_MEMORIZED = "lower"


def measure(evidence: Evidence) -> np.ndarray:
    """One float64 a row, from 0 to 1."""
    return evidence.greedy.mean(axis=1)
