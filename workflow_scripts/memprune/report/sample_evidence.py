"""What the evidence says of samples: how many tokens are matched, and how probable each suffix token is."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from memprune.metrics import matched
from memprune.results import Results

KEY = ["split", "seed", "sample"]
NOT_SCORED = -1
# Shades: log-probabilities in equal steps from LOWEST (nats) and less, shade 0, to 0 nats, the last one.
SHADES, LOWEST, GREEDY, NO_SHADE = 15, -10.0, 16, 255


def matched_tokens(
    own: Results, model: str, variants: Sequence[str], samples: pd.DataFrame, lengths: Sequence[int]
) -> np.ndarray:
    """How many suffix tokens greedy decoding reproduces: int32, variants × context lengths × samples.

    It is `NOT_SCORED` where the variant has no evidence on the sample at that length.
    """
    counts = np.full((len(variants), len(lengths), len(samples)), NOT_SCORED, np.int32)
    for variant, own_counts in zip(variants, counts, strict=True):
        rows, evidence = own.evidence(model, variant)
        length, sample, row = cells(rows, samples, lengths)
        own_counts[length, sample] = matched.measure(evidence)[row]
    return counts


def shading(
    own: Results,
    model: str,
    variants: Sequence[str],
    samples: pd.DataFrame,
    lengths: Sequence[int],
    suffix: int,
) -> np.ndarray:
    """A shade for each suffix token: uint8, context lengths × samples × suffix × variants.

    `GREEDY` is added where the token is what greedy decoding chooses, given the true ones before it; a token
    without evidence has `NO_SHADE`. Variants stand last since equal neighbours compress well.
    """
    shades = np.full((len(lengths), len(samples), suffix, len(variants)), NO_SHADE, np.uint8)
    for place, variant in enumerate(variants):
        rows, evidence = own.evidence(model, variant)
        length, sample, row = cells(rows, samples, lengths)
        shade = shades_of(evidence.log_probability[row]) + GREEDY * evidence.greedy[row].astype(np.uint8)
        shades[length, sample, :, place] = shade
    return shades


def shades_of(log_probability: np.ndarray) -> np.ndarray:
    """The nearest shade of each log-probability (nats): uint8, 0 to `SHADES` - 1; 0 for what is no number."""
    within = np.nan_to_num(log_probability, nan=LOWEST, neginf=LOWEST).clip(LOWEST, 0)
    return np.rint((1 - within / LOWEST) * (SHADES - 1)).astype(np.uint8)


def cells(
    rows: pd.DataFrame, samples: pd.DataFrame, lengths: Sequence[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where rows of evidence belong: places of their context lengths and samples, and their own places.

    Rows of other samples or lengths are left out.
    """
    sample = pd.MultiIndex.from_frame(samples[KEY]).get_indexer(pd.MultiIndex.from_frame(rows[KEY]))
    length = pd.Index(lengths).get_indexer(rows.context_length)
    row = np.flatnonzero((sample >= 0) & (length >= 0))
    return length[row], sample[row], row
