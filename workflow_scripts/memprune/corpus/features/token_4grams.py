"""The share of a sample's 4-grams of tokens that stand in it before.

Source: Welleck et al. 2020, arXiv 1908.04319, seq-rep-4: one minus distinct over all 4-grams.
"""

from memprune.corpus.features.sample_window import SampleWindow


def describe(sample: SampleWindow) -> float | None:
    """The share, 0 to 1; None of fewer than four tokens."""
    grams = list(zip(*(sample.tokens[i:] for i in range(4)), strict=False))
    return 1 - len(set(grams)) / len(grams) if grams else None
