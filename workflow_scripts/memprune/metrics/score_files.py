"""A variant's score files: what identifies the rows, their evidence, and what is known of the whole.

Arrow's own conversions from and to NumPy import pandas, half a second that a job need not wait.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from memprune.disk import readable
from memprune.scoring.evidence import Evidence

EVIDENCE = ("log_probability", "margin", "rank")
ACHIEVED = {"sparsity": np.float64, "removed": np.float64, "variant_bytes": np.int64}


@dataclass(frozen=True)
class Rows(Evidence):
    """The evidence on some samples, and the name of the dtype in which each was computed (texts)."""

    compute_dtype: np.ndarray


def read_samples(path: Path) -> tuple[pa.Table, Rows]:
    """What identifies the rows of a score file of samples, and their evidence.

    Raises UserError when the file is damaged.
    """
    with readable(path):
        return with_rows(*read(path))


def read_perturbed(path: Path) -> tuple[pa.Table, Rows]:
    """The same of perturbed prefixes, whose suffixes are of one length, too: how many `tokens` are scored."""
    with readable(path):
        table, shards = read(path)
        length = pc.max(table["tokens"]).as_py()
        for place, name in enumerate(table.column_names):
            if name in EVIDENCE:
                kind = pa.list_(table[name].type.value_type, length)
                table = table.set_column(place, name, table[name].cast(kind))
        return with_rows(table.drop_columns(["tokens"]), shards)


def with_rows(table: pa.Table, shards: list[dict]) -> tuple[pa.Table, Rows]:
    """What identifies the rows of a table, and their evidence."""
    evidence = {name: matrix(table, name) for name in EVIDENCE}
    table = with_screening(table.drop_columns(list(EVIDENCE)), shards)
    dtypes = np.array(table["compute_dtype"].to_pylist())
    return with_achieved(table), Rows(**evidence, compute_dtype=dtypes)


def with_screening(table: pa.Table, shards: list[dict]) -> pa.Table:
    """Rows with `screened`, null where they were not, and the `compute_dtype` of each.

    A screened variant's rows tell both themselves, others' dtypes are their shard's.
    """
    if "screened" in table.column_names:
        return table
    dtypes = np.repeat([shard["compute_dtype"] for shard in shards], [shard["rows"] for shard in shards])
    table = table.append_column("screened", pa.nulls(len(table), pa.string()))
    return table.append_column("compute_dtype", text_column(dtypes.tolist()))


def read_windows(path: Path) -> tuple[pa.Table, list[np.ndarray]]:
    """What identifies the windows of a score file, and the log-probabilities of each one's scored tokens.

    They are float32, in nats. Raises UserError when the file is damaged.
    """
    with readable(path):
        table, _ = read(path)
        lists = table["log_probability"].combine_chunks()
        if lists.null_count or lists.type != pa.list_(pa.float32()):
            raise ValueError(f"log_probability: {lists.type} with {lists.null_count} nulls")
        log_probabilities = np.split(np.from_dlpack(lists.flatten()), np.from_dlpack(lists.offsets)[1:-1])
        if [len(own) for own in log_probabilities] != table["tokens"].to_pylist():
            raise ValueError("log_probability: not as many as tokens")
        return with_achieved(table.drop_columns(["log_probability"])), log_probabilities


def read(path: Path) -> tuple[pa.Table, list[dict]]:
    """A score file, and how each of its shards was made, in the order of the rows."""
    with pq.ParquetFile(path) as file:
        table = file.read()
    shards = json.loads(table.schema.metadata[b"shards"])
    if sum(shard["rows"] for shard in shards) != len(table):
        raise ValueError(f"{len(table)} rows, but {sum(shard['rows'] for shard in shards)} of its shards")
    return table, shards


def matrix(table: pa.Table, name: str) -> np.ndarray:
    """A column of lists of one length as an array, rows × suffix. Raises ValueError for any other column."""
    lists = table[name].combine_chunks()
    if not pa.types.is_fixed_size_list(lists.type) or lists.null_count or lists.values.null_count:
        raise ValueError(f"{name}: {lists.type} with {lists.null_count} nulls")
    return np.from_dlpack(lists.flatten()).reshape(len(lists), lists.type.list_size)


def with_achieved(table: pa.Table) -> pa.Table:
    """The rows with what their variant achieved beside its level: sparsity, removed, variant_bytes."""
    achieved = json.loads(table.schema.metadata[b"achieved"])
    for place, (name, kind) in enumerate(ACHIEVED.items(), table.column_names.index("target") + 1):
        table = table.add_column(place, name, column_of(np.full(len(table), achieved[name], kind)))
    return table.replace_schema_metadata()


def text_column(texts: Sequence[str]) -> pa.Array:
    """Texts as an array of Arrow."""
    encoded = [text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    return pa.Array.from_buffers(
        pa.string(), len(texts), [None, pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))]
    )


def column_of(values: np.ndarray) -> pa.Array:
    """Booleans or numbers as an array of Arrow."""
    bytes_ = np.packbits(values, bitorder="little") if values.dtype == bool else np.ascontiguousarray(values)
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [None, pa.py_buffer(bytes_)])
