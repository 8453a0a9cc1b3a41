"""What every variant makes of every sample, token by token, in the few bits that a page can hold."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from memprune.disk import readable
from memprune.metrics.score_files import matrix

KEY = ["split", "seed", "sample"]
LEVELS = 16  # of log-probability that shading tells apart
PER_NAT = 1.5  # levels; the last one stands for all below -10 nats
GREEDY = 16  # the bit of a token that greedy decoding chooses, beside its level


def token_codes(path: Path, samples: pd.DataFrame, lengths: list[int]) -> np.ndarray:
    """The evidence in a variant's score file: uint8, samples × context lengths × suffix.

    A code is the level of the token's log-probability (0 is certain, each further one 1 / `PER_NAT` nats
    less), and `GREEDY` where greedy decoding chooses it. `samples` has `KEY`. A row that the file lacks is
    all 255. Raises UserError when the file is damaged.
    """
    with readable(path):
        columns = [*KEY, "context_length", "log_probability", "rank"]
        table = pq.read_table(path, columns=columns)
        log_probability, rank = (matrix(table, name) for name in columns[-2:])
        rows = table.select(columns[:4]).to_pandas()
    levels = np.clip(-log_probability * PER_NAT, 0, LEVELS - 1).astype(np.uint8)
    codes = np.full((len(samples), len(lengths), rank.shape[1]), 255, np.uint8)
    at = pd.MultiIndex.from_frame(samples[KEY]).get_indexer(pd.MultiIndex.from_frame(rows[KEY]))
    length = pd.Index(lengths).get_indexer(rows.context_length)
    known = (at >= 0) & (length >= 0)
    codes[at[known], length[known]] = (levels | np.where(rank == 0, GREEDY, 0).astype(np.uint8))[known]
    return codes


def matched_tokens(codes: np.ndarray) -> np.ndarray:
    """How many tokens each row reproduces from the suffix's start: uint16, without the codes' last axis."""
    greedy = (codes != 255) & (codes >= GREEDY)
    return np.cumprod(greedy, axis=-1, dtype=np.uint8).sum(axis=-1, dtype=np.uint16)


def scored_rows(codes: np.ndarray) -> np.ndarray:
    """Whether the score file has each row: bool, without the codes' last axis."""
    return (codes != 255).any(axis=-1)
