"""Features of samples by which memorization is told apart, from their tokens and text alone."""

from collections.abc import Callable

import pyarrow as pa

from memprune.corpus.features import (
    compression_ratio,
    digits,
    form,
    punctuation,
    taxonomy,
    token_4grams,
    token_entropy,
)
from memprune.corpus.features.sample_window import SampleWindow

NUMBERS = {
    "compression_ratio": compression_ratio.describe,
    "token_entropy": token_entropy.describe,
    "repeated_4grams": token_4grams.describe,
    "digits": digits.describe,
    "punctuation": punctuation.describe,
}
NAMES = {"form": form.describe, "taxonomy": taxonomy.describe}
GIVEN = "category"  # a column that samples may have


def compute_features(samples: pa.Table, decode: Callable[[list[int]], str]) -> pa.Table:
    """The features of each sample, over its whole window: a column a feature, float64 or text.

    What identifies a sample comes first: sample, split. `category` is the samples' own column of that name,
    where they have one. `decode` makes text of ids. Null is what is not known.
    """
    tokens = samples["tokens"].to_pylist()
    windows = [
        SampleWindow(tuple(ids), decode(ids), count)
        for ids, count in zip(tokens, samples["duplicates"].to_pylist(), strict=True)
    ]
    columns = {name: samples[name] for name in ("sample", "split")}
    for kind, features in ((pa.float64(), NUMBERS), (pa.string(), NAMES)):
        columns |= {
            name: pa.array(map(describe, windows), kind, size=len(windows))
            for name, describe in features.items()
        }
    if GIVEN in samples.column_names:
        columns[GIVEN] = samples[GIVEN].cast(pa.string())
    return pa.table(columns)
