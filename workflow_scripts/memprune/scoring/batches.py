"""Texts of one length scored together: no padding, no attention mask."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

LOGIT_ROWS = 1024  # rows of hidden states that the map to logits takes at one time
# Products of queries and keys at one time that no fused kernel computes: a cache holds them, a GPU is busy.
PRODUCTS = {"cpu": 2**19, "cuda": 2**26}


class Batch(NamedTuple):
    """Texts of one length: `rows` tells which of all, `tokens` is texts × tokens (integers)."""

    rows: np.ndarray
    tokens: np.ndarray


def cut_batches(rows: np.ndarray, tokens: np.ndarray, batch_tokens: int) -> Iterator[Batch]:
    """Batches of about `batch_tokens` tokens each, one text at least."""
    size = max(1, batch_tokens // tokens.shape[1])
    for start in range(0, len(rows), size):
        yield Batch(rows[start : start + size], tokens[start : start + size])


def cut_blocks(batches: Iterable[Batch], block_tokens: int) -> Iterator[list[Batch]]:
    """Lists of batches that have `block_tokens` tokens together at most, one batch at least."""
    block: list[Batch] = []
    for batch in batches:
        if block and sum(b.tokens.size for b in block) + batch.tokens.size > block_tokens:
            yield block
            block = []
        block.append(batch)
    if block:
        yield block
