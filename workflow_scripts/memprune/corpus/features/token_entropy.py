"""The Shannon entropy of a sample's tokens, in bits: 0 where one token fills the window."""

from collections import Counter
from math import log2

from memprune.corpus.features.sample_window import SampleWindow


def describe(sample: SampleWindow) -> float:
    """From 0 to the base-2 logarithm of the number of tokens."""
    total = len(sample.tokens)
    return sum(count / total * log2(total / count) for count in Counter(sample.tokens).values())
