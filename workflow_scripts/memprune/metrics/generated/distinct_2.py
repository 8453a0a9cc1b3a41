"""Distinct-2: distinct bigrams of tokens over all bigrams of a continuation; low where text falls apart.

Source: Li et al. 2016, arXiv 1510.03055, who divide by the number of words.
"""

from itertools import pairwise

from memprune.metrics.generated.continuation import Continuation

BETTER = "higher"


def measure(own: Continuation) -> float | None:
    """The share, 0 to 1; None of a single token."""
    pairs = list(pairwise(own.tokens))
    return len(set(pairs)) / len(pairs) if pairs else None
