"""The share of a continuation's 4-grams of tokens that stood in it before: text that goes round in circles.

Source: Welleck et al. 2020, arXiv 1908.04319, seq-rep-4: one minus distinct over all 4-grams.
"""

from memprune.metrics.generated.continuation import Continuation

BETTER = "lower"


def measure(own: Continuation) -> float | None:
    """The share, 0 to 1; None of fewer than four tokens."""
    grams = list(zip(*(own.tokens[i:] for i in range(4)), strict=False))
    return 1 - len(set(grams)) / len(grams) if grams else None
