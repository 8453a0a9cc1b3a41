"""How many tokens greedy decoding reproduces from the start of the suffix until its first mismatch.

Until there, decoding goes on from true tokens; a suffix is extracted when all its tokens are matched. Source:
the definition of greedy decoding.
"""

import numpy as np

from memprune.scoring.evidence import Evidence

LESS_MEMORIZED = "lower"


def measure(evidence: Evidence) -> np.ndarray:
    """One int32 a row, from 0 to the suffix's length."""
    return np.cumprod(evidence.greedy, axis=1, dtype=np.int8).sum(axis=1, dtype=np.int32)
