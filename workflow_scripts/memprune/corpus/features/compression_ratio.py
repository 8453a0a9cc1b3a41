"""How far zlib compresses a sample's text: bytes after, by bytes before. Repetitive text has a low ratio.

zlib (DEFLATE, its usual level) is what Carlini et al. 2021, arXiv 2012.07805, compare perplexity with.
"""

import zlib

from memprune.corpus.features.sample_window import SampleWindow


def describe(sample: SampleWindow) -> float | None:
    """The ratio, above 0; of short texts it may be above 1. None of no text."""
    text = sample.text.encode()
    return len(zlib.compress(text)) / len(text) if text else None
