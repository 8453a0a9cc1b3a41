"""How often samples stand in the training data, as somebody counted: looked up in a file by what a sample is.

The file has the column `duplicates`, 1 or more, since it is training text that is looked up, and one of two
keys: `document`, a sample's as `samples.parquet` names it, or `sha256`, of the bytes of the sample's tokens
as little-endian int32, in hexadecimal.
"""

import hashlib
from collections.abc import Iterator, Set
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from memprune.corpus.documents import MOST_DUPLICATES
from memprune.corpus.drawn import as_array
from memprune.corpus.text_rows import UNREADABLE, decompressed, json_rows
from memprune.errors import UserError

KEYS = ("document", "sha256")
DUPLICATES = "duplicates"
BATCH = 2**14  # rows of Parquet in memory


def with_counts(samples: pa.Table, path: str | Path) -> tuple[pa.Table, dict[str, str]]:
    """The samples of training text with `duplicates` as a file counts them, null where it does not.

    What the corpus itself says of them is not kept. Beside them stands, as texts, by which key they were
    looked up, of how many `samples`, and how many were `matched`, which is printed too. Raises UserError for
    a file that cannot be read or counts none of them.
    """
    key = key_of(path)
    own = samples["document"].to_pylist() if key == "document" else token_hashes(samples)
    counts = read_counts(path, key, set(own))
    found = [counts.get(name) for name in own]
    matched = sum(count is not None for count in found)
    if not matched:
        raise UserError(
            f"corpus.counts: {path}: column {key} counts none of {len(own)} samples of training text, "
            f"such as {own[0]}"
        )
    print(f"{path}: counts {matched} of {len(own)} samples of training text, by {key}")
    place = samples.column_names.index(DUPLICATES)
    counted = samples.set_column(place, DUPLICATES, pa.array(found, pa.int32()))
    return counted, {"by": key, "samples": str(len(own)), "matched": str(matched)}


def token_hashes(samples: pa.Table) -> list[str]:
    """The SHA-256 of each sample's tokens as bytes of little-endian int32, in hexadecimal."""
    tokens = as_array(samples["tokens"]).astype("<i4")
    return [hashlib.sha256(np.ascontiguousarray(row)).hexdigest() for row in tokens]


def key_of(path: str | Path) -> str:
    """By which key a file counts, as the names of its columns tell, or those of its first row."""
    with told(path), open(path, "rb") as file:
        columns = pq.read_schema(file).names if is_table(path) else list(next(lines_of(file, path), {}))
    named = [column for column in columns if column in KEYS]
    if len(named) != 1 or columns.count(DUPLICATES) != 1:
        raise UserError(
            f"corpus.counts: {path}: found the columns {', '.join(columns) or 'none'}, expected {DUPLICATES} "
            f"and one of {', '.join(KEYS)}"
        )
    return named[0]


def read_counts(path: str | Path, key: str, asked: Set[str]) -> dict[str, int]:
    """The counts of those of a file's rows whose key is asked for; where a count is null there is none.

    The file is read a batch of rows at a time. Raises UserError for a row of these that is not what it should
    be, and for a key with two counts.
    """
    counts: dict[str, int] = {}
    with told(path), open(path, "rb") as file:
        rows = table_rows_asked(file, key, asked) if is_table(path) else lines_asked(file, path, key, asked)
        for name, value in rows:
            if value is None or value != value:  # not a number: what pandas makes of nothing
                continue
            if not is_count(value):
                raise ValueError(
                    f"{key} {name} has {value!r} in column {DUPLICATES}, expected a whole number from 1 to "
                    f"{MOST_DUPLICATES}"
                )
            if counts.setdefault(name, int(value)) != value:
                raise ValueError(f"{key} {name} has two counts, {counts[name]} and {int(value)}; give one")
    return counts


def table_rows_asked(file: BinaryIO, key: str, asked: Set[str]) -> Iterator[tuple[str, object]]:
    """Key and count of the rows of a Parquet file whose key is asked for."""
    table = pq.ParquetFile(file, pre_buffer=False)
    kinds = {name: table.schema_arrow.field(name).type for name in (key, DUPLICATES)}
    if not (pa.types.is_string(kinds[key]) or pa.types.is_large_string(kinds[key])):
        raise ValueError(f"found {kinds[key]} in column {key}, expected texts")
    numbers = (pa.types.is_integer, pa.types.is_floating, pa.types.is_null)
    if not any(is_number(kinds[DUPLICATES]) for is_number in numbers):
        raise ValueError(f"found {kinds[DUPLICATES]} in column {DUPLICATES}, expected whole numbers")
    names = pa.array(sorted(asked), kinds[key])
    for batch in table.iter_batches(BATCH, columns=[key, DUPLICATES]):
        own = batch.filter(pc.is_in(batch[key], names))
        yield from zip(own[key].to_pylist(), own[DUPLICATES].to_pylist(), strict=True)


def lines_asked(file: BinaryIO, path: str | Path, key: str, asked: Set[str]) -> Iterator[tuple[str, object]]:
    """Key and count of the rows of JSON lines whose key is asked for."""
    for number, row in enumerate(lines_of(file, path)):
        if lacking := [column for column in (key, DUPLICATES) if column not in row]:
            raise ValueError(f"row {number} has no column {lacking[0]}; found {', '.join(row) or 'none'}")
        if not isinstance(row[key], str):
            raise ValueError(f"row {number} has {row[key]!r:.40} in column {key}, expected a text")
        if row[key] in asked:
            yield row[key], row[DUPLICATES]


def lines_of(file: BinaryIO, path: str | Path) -> Iterator[dict]:
    """The rows of an open file of JSON lines, compressed as its name tells."""
    return json_rows(decompressed(file, str(path)))


def is_table(path: str | Path) -> bool:
    """Whether a file is Parquet, by its name."""
    return str(path).endswith(".parquet")


def is_count(value: object) -> bool:
    """Whether a value is a whole number that samples can hold."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 1 <= value <= MOST_DUPLICATES and value % 1 == 0


@contextmanager
def told(path: str | Path) -> Iterator[None]:
    """Turn what reading a file raises into a UserError that names it."""
    try:
        yield
    except UNREADABLE as error:
        raise UserError(f"corpus.counts: {path}: {' '.join(str(error).split())[:200]}") from None
