"""The share of a sample's characters that are punctuation or symbols (Unicode's categories P and S).

Of ASCII these are the 32 of Python's `string.punctuation`.
"""

from unicodedata import category

from memprune.corpus.features.sample_window import SampleWindow


def describe(sample: SampleWindow) -> float | None:
    """The share, 0 to 1; None of no text."""
    marks = sum(category(character)[0] in "PS" for character in sample.text)
    return marks / len(sample.text) if sample.text else None
