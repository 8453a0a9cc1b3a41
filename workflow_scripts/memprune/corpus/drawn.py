"""What was drawn and lies in a Parquet file: samples, windows and other texts as token ids."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from memprune.disk import readable

PUBLISHED = "published_score "  # with a model's name, a column of samples


def read_drawn(path: Path, columns: Sequence[str] = (), about: Sequence[str] = ()) -> pa.Table:
    """A file of texts with its `tokens`, lists of int32; `columns` and the keys `about` are needed beside.

    Raises UserError when it is damaged, lacks one of these, or has other tokens or some that are null.
    """
    with readable(path):
        table = pq.read_table(path)
        if lacking := {"tokens", *columns} - set(table.column_names):
            raise ValueError(f"no column {min(lacking)}; found {', '.join(table.column_names)}")
        if lacking := {key for key in about if key.encode() not in (table.schema.metadata or {})}:
            raise ValueError(f"its metadata do not tell {min(lacking)}")
        kind = table["tokens"].type
        lists = pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind)
        if not lists or kind.value_type != pa.int32():
            raise TypeError(f"found {kind} in column tokens, expected lists of int32")
        if table["tokens"].null_count or pc.list_flatten(table["tokens"]).null_count:
            raise ValueError("found null in column tokens")
    return table


def as_array(column: pa.ChunkedArray) -> np.ndarray:
    """A column of lists of one length as rows × tokens."""
    return column.combine_chunks().flatten().to_numpy().reshape(len(column), -1)


def paddings(table: pa.Table) -> np.ndarray:
    """How many tokens in front of each sample's are none of it, int32: of known sequences alone there are."""
    if "padding" not in table.column_names:
        return np.zeros(len(table), np.int32)
    return table["padding"].combine_chunks().fill_null(0).to_numpy()


def filling(table: pa.Table) -> pa.Table:
    """The samples without padding: those that are long enough for the longest context."""
    return table if "padding" not in table.column_names else table.filter(pa.array(paddings(table) == 0))


def own_tokens(table: pa.Table) -> list[list[int]]:
    """The tokens of each row without padding."""
    rows = table["tokens"].to_pylist()
    return [ids[padding:] for ids, padding in zip(rows, paddings(table).tolist(), strict=True)]


def read_sample_length(path: Path) -> int:
    """How many tokens each of a file's samples has; raises UserError when they are not of one length."""
    with readable(path):
        return pq.read_schema(path).field("tokens").type.list_size
