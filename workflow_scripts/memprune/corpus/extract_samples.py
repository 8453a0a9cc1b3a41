"""Put the tables of several draws together."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def interleaved(parts: Sequence[pa.Table]) -> pa.Table:
    """The samples of several parts, one of each in turn and numbered anew.

    Asking for more samples lengthens each part, so the first ones stay.
    """
    part = np.repeat(np.arange(len(parts)), [len(table) for table in parts])
    whole = pa.concat_tables(parts)
    ordered = whole.take(np.lexsort((part, whole["sample"].to_numpy())))
    return ordered.set_column(0, "sample", pa.array(range(len(ordered)), pa.int64()))


def write_table(table: pa.Table, path: str | Path, metadata: Mapping[str, str]) -> None:
    """Write samples or windows as Parquet, with where they come from as metadata of the file."""
    pq.write_table(table.replace_schema_metadata(dict(metadata)), path, compression="zstd")
