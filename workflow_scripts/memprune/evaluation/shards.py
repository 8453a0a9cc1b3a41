"""The unit of evaluation: a shard is a block of rows scored in one way, kept in the store by itself.

A killed job goes on after its last shard, more samples or another context length add shards to those there
are, and any number of jobs may share them.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from memprune.store import entries

SHARD_ROWS = 500  # at k = 500 less than a minute for 5 million weights on one core


@dataclass(frozen=True)
class Shard:
    """Consecutive rows: samples at one context length, or perplexity windows."""

    name: str  # of its entry in the store
    determinants: Mapping
    rows: slice
    stored: bool


def passes(context_lengths: Sequence[int], anchor: str) -> list[list[int]]:
    """The context lengths that share a pass: all of them with `anchor` prefix, each by itself with suffix."""
    return [list(context_lengths)] if anchor == "prefix" else [[length] for length in context_lengths]


def block_count(rows: int) -> int:
    """How many blocks so many rows are cut into, however much of them is stored."""
    return -(-rows // SHARD_ROWS)


def cut_shards(kind: str, determinants: Mapping, rows: Sequence[bytes]) -> list[Shard]:
    """Cut rows, given by their content, into shards: as many as are stored, new ones for the others.

    `determinants` is all that scores depend on beside the rows. Blocks of `SHARD_ROWS` begin at the first
    row; one that has grown since it was stored is stored rows followed by new ones.
    """
    folder = f"{kind}/{entries.digest(determinants)}"
    stored = entries.names_in(folder)
    shards = []
    for first in range(0, len(rows), SHARD_ROWS):
        start, end = first, min(first + SHARD_ROWS, len(rows))
        while start < end:
            names = growing_digests(rows[start:end])
            length = next((n for n in range(len(names), 0, -1) if names[n - 1] in stored), 0)
            chosen = slice(start, start + (length or end - start))
            name = names[chosen.stop - chosen.start - 1]
            shards.append(
                Shard(f"{folder}/{name}", {**determinants, "rows": name}, chosen, stored=length > 0)
            )
            start = chosen.stop
    return shards


def growing_digests(rows: Sequence[bytes]) -> list[str]:
    """The digests of the first row, the first two, … all rows."""
    content, digests = hashlib.sha256(), []
    for row in rows:
        content.update(len(row).to_bytes(8, "little") + row)
        digests.append(content.copy().hexdigest()[:32])
    return digests
