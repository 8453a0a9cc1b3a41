"""Extraction strength: 1 - j / n, j the fewest of n suffix tokens after which all others are the arg max.

It is 1 where the context alone brings the suffix forth, and 0 where its last token is not the arg max.
Source: Carlini et al. 2021, *Extracting Training Data from Large Language Models*, arXiv 2012.07805, as in
open-unlearning: each arg max given the true tokens before it.
"""

import numpy as np

from memprune.scoring.evidence import Evidence

LESS_MEMORIZED = "lower"


def measure(evidence: Evidence) -> np.ndarray:
    """One float64 a row, from 0 to 1."""
    suffix = evidence.greedy.shape[1]
    given = suffix - np.cumprod(evidence.greedy[:, ::-1], axis=1, dtype=np.int8).sum(axis=1)
    return 1 - given / suffix
