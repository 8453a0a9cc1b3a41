"""Normalised edit distance: insertions, deletions and replacements that make the true suffix, per token.

Over tokens, not characters: samples are so many tokens long, a token is what decoding chooses, and no text
of theirs needs to be made. 0 is verbatim, 1 has nothing in common. Source: Levenshtein 1966, as rapidfuzz
computes it; Ippolito et al. 2023, arXiv 2210.17546, for continuations that are nearly the training text.
"""

from rapidfuzz.distance import Levenshtein

from memprune.metrics.generated.continuation import Continuation

LESS_MEMORIZED = "higher"
BETTER = "lower"


def measure(own: Continuation) -> float:
    """The distance over the suffix's length, 0 to 1."""
    return Levenshtein.normalized_distance(own.tokens, own.suffix)
