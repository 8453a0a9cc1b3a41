"""The share of a sample's characters that are digits, of any script (Unicode's category Nd)."""

from memprune.corpus.features.sample_window import SampleWindow


def describe(sample: SampleWindow) -> float | None:
    """The share, 0 to 1; None of no text."""
    return sum(map(str.isdecimal, sample.text)) / len(sample.text) if sample.text else None
