"""Evidence in Parquet files: lists over a suffix's or a window's tokens, beside what identifies rows."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from memprune.scoring.evidence import Evidence

FLOATS = ("log_probability", "margin", "mean", "deviation")


def suffix_columns(evidence: Evidence) -> Mapping[str, pa.Array]:
    """The evidence on suffixes as columns of lists of one length."""
    return {name: lists_of_one_length(values) for name, values in vars(evidence).items()}


def lists_of_one_length(values: np.ndarray) -> pa.Array:
    """The rows of an array as lists."""
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])


def window_columns(log_probabilities: Sequence[np.ndarray]) -> Mapping[str, pa.Array]:
    """The log-probabilities of the scored tokens of each window as a column of lists."""
    return {"log_probability": list_column(log_probabilities)}


def list_column(values: Sequence[np.ndarray]) -> pa.Array:
    """An array a row as a column of lists: of float32, of uint16 where the arrays are of whole numbers."""
    ends = np.cumsum([0, *map(len, values)], dtype=np.int32)
    flat = np.concatenate(values)
    flat = flat.astype(np.uint16 if flat.dtype.kind == "i" else np.float32, copy=False)
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(flat))


def write_evidence(table: pa.Table, path: Path) -> None:
    """Write a table with columns of evidence; a float's bytes lie apart, since its first ones are alike."""
    lists = [f"{name}.list.element" for name in FLOATS if name in table.column_names]
    others = [name for name in table.column_names if name not in FLOATS]
    pq.write_table(table, path, compression="zstd", use_dictionary=others, use_byte_stream_split=lists)
