"""Put the samples of several seeds together."""

from collections.abc import Sequence
from itertools import groupby

import pyarrow as pa

from memprune.corpus.extract_samples import interleaved


def pool_seeds(draws: Sequence[pa.Table]) -> pa.Table:
    """The samples of one split, those of one seed after those of another, numbered on from 0.

    `draws` are all parts of the first seed, then of the next; the metadata of each tells its seed. Two more
    columns stand behind `split`: `seed` (int64), and `pooled` (bool), whether no earlier seed has drawn a
    window of the same document. The pooled samples are independent, one a document; all of them are each
    seed's own sample.
    """
    tables: list[pa.Table] = []
    drawn: set[str] = set()
    for seed, parts in groupby(draws, seed_of):
        own = interleaved(list(parts))
        documents = own["document"].to_pylist()
        place = own.column_names.index("split") + 1
        pooled = pa.array([name not in drawn for name in documents])
        own = own.add_column(place, "seed", pa.array([seed] * len(own), pa.int64()))
        tables.append(own.add_column(place + 1, "pooled", pooled))
        drawn.update(documents)
    whole = pa.concat_tables(tables)
    return whole.set_column(0, "sample", pa.array(range(len(whole)), pa.int64()))


def seed_of(draw: pa.Table) -> int:
    """The seed of a draw."""
    return int(draw.schema.metadata[b"seed"])
