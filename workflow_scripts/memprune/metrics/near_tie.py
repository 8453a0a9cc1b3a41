"""Whether rounding decides if a suffix is extracted: its smallest margin is not farther from 0 than a bound.

So a suffix with a clear mismatch (a margin below -bound) is none, whatever stands before or after it, since
no rounding has it extracted; all others are judged by their smallest absolute margin. The count says by how
many samples `extracted` may differ on another device, batch size or version. Source: ours.

A margin is the difference of two logits, which are of size 20 in models of Pythia's kind. So a bound is twice
what one logit of that size is off by:

- float32: some 1e-5 between kernels that add in another order; five times that, to be on the safe side.
- bfloat16: 8 bits of precision, 2^-8 of its size.
- float16: 11 bits, 2^-11 of its size.
"""

import numpy as np

from memprune.metrics import smallest_margin
from memprune.metrics.score_files import Rows

LESS_MEMORIZED = "neither"
LOGIT = 20
BOUNDS = {"float32": 2 * 5e-5, "bfloat16": 2 * LOGIT * 2**-8, "float16": 2 * LOGIT * 2**-11}


def measure(rows: Rows) -> np.ndarray:
    """One bool a row."""
    bounds = np.array([BOUNDS[dtype] for dtype in rows.compute_dtype])
    return np.abs(smallest_margin.measure(rows)) <= bounds
