"""EleutherAI's taxonomy of what is memorized: recited, reconstructed or recollected.

Source: Prashanth et al. 2024, arXiv 2406.17746: recitation of highly duplicated sequences, reconstruction of
those that are templates, recollection of those that are neither. `docs/categories.md` says where we deviate.
"""

from memprune.corpus.features.sample_window import SampleWindow
from memprune.corpus.features.templates import increments, repeats

MANY = 10  # duplicates: what stands more often is recited, as in the source's published code


def describe(sample: SampleWindow) -> str | None:
    """The class of a sample; None where nobody counted its duplicates."""
    if sample.duplicates is None:
        return None
    if sample.duplicates > MANY:
        return "recited"
    return "reconstructed" if repeats(sample.tokens) or increments(sample.text) else "recollected"
