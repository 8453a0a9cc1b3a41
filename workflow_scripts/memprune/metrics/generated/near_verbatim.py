"""Whether a continuation is the true suffix but for a share of its tokens: near-verbatim extraction.

The share is of the normalised edit distance over tokens. Source: Ippolito et al. 2023, arXiv 2210.17546:
exact match alone gives a false sense of privacy. Gemma's report, 2403.08295, counts what is within 10 %.
"""

from memprune.metrics.generated import edit_distance
from memprune.metrics.generated.continuation import Continuation

LESS_MEMORIZED = "lower"


def measure(own: Continuation, share: float) -> bool:
    """Whether the distance is `share` at most."""
    return edit_distance.measure(own) <= share
