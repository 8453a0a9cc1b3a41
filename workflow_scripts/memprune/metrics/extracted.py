"""Whether greedy decoding from k tokens of context reproduces the whole suffix (Carlini et al. 2023).

It does so exactly when the arg max at each position, given the true tokens before it, is the true token.
Source: *Quantifying Memorization Across Neural Language Models*, arXiv 2202.07646: extractable with k tokens
of context.
"""

import numpy as np

from memprune.scoring.evidence import Evidence

LESS_MEMORIZED = "lower"


def measure(evidence: Evidence) -> np.ndarray:
    """One bool a row."""
    return evidence.greedy.all(axis=1)
