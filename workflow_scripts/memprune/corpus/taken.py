"""What other draws have taken: documents by their names, and text, whatever its document is called.

Corpora have one text under several names, above all what models memorize: licences, headers, tables. So a
window is told from those of other draws by runs of tokens that both have.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from memprune.corpus.drawn import own_tokens, read_drawn

RUN = 50  # tokens in a row, as many as a suffix commonly has; fewer where windows are shorter
# A run's hash is the sum of its ids, each times its place's multiplier, modulo 2**64.
MULTIPLIERS = np.random.default_rng(0).integers(1, 2**64, RUN, dtype=np.uint64)


@dataclass(frozen=True)
class Taken:
    """Names of documents, and hashes of all runs of `length` tokens."""

    documents: frozenset[str] = frozenset()
    runs: frozenset[int] = frozenset()
    length: int = RUN

    def has_run_of(self, ids: Sequence[int]) -> bool:
        """Whether a window has a run of tokens that was taken."""
        return bool(self.runs) and not self.runs.isdisjoint(run_hashes(ids, self.length))


def read_taken(without: Sequence[Path], unlike: Sequence[Path], window: int) -> Taken:
    """What is taken for a draw with windows of `window` tokens, by files of other draws.

    Of `without` it is documents and text, of `unlike` text alone: their documents are of another split, or
    come in an order that the draw shares. Where windows are shorter than `RUN`, runs are as long as those of
    the draw with the shortest, and where known sequences are, as the shortest of them.
    """
    names = [read_drawn(path, ["document"])["document"].to_pylist() for path in without]
    tables = [read_drawn(path) for path in (*without, *unlike)]
    draws = [own_tokens(table) for table in tables]
    length = min(RUN, window, *map(run_length, tables, draws))
    runs = (run_hashes(ids, length) for windows in draws for ids in windows)
    documents = frozenset(name for own in names for name in own)
    return Taken(documents, frozenset().union(*runs), length)


def run_length(table: pa.Table, windows: Sequence[Sequence[int]]) -> int:
    """How long runs must be to be found in a draw's windows: its longest, or shortest known sequence."""
    shortest = min if "padding" in table.column_names else max
    return shortest(map(len, windows), default=RUN)


def run_hashes(ids: Sequence[int], length: int) -> set[int]:
    """A hash of each run of `length` tokens; none of a window that is shorter."""
    if len(ids) < length:
        return set()
    runs = np.lib.stride_tricks.sliding_window_view(np.asarray(ids, np.uint64), length)
    return set((runs @ MULTIPLIERS[:length]).tolist())
