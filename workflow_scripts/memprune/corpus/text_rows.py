"""Rows of a file of texts, from its start to its end: JSON lines, plain or compressed, or Parquet.

Of a row only the text and `meta` are read. What other columns hold, and whether their types change on the
way, decides nothing.
"""

import io
import json
from codecs import BOM_UTF8
from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import PurePath
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

COMPRESSIONS = {".zst": "zstd", ".gz": "gzip", ".bz2": "bz2"}
BUFFER = 2**20  # bytes
LONGEST = 2**27  # bytes of a row of JSON: more than any document has
LARGEST = 2**30  # bytes of a file that is one list, which is read as a whole
BATCH = 256  # rows of Parquet in memory
META = ("document", "pile_set_name", "duplicates")
UNREADABLE = (OSError, ValueError, RecursionError, pa.ArrowException)


def rows_of(file: BinaryIO, path: str, column: str, duplicates: str | None = None) -> Iterator[dict]:
    """The rows of an open file, whose form its path tells; `column` is the one that holds the text.

    `duplicates` is the one that tells how often it stands in the training data, if there is that. Raises one
    of UNREADABLE where the file is not what it should be, with the row counted from 0.
    """
    if PurePath(path).suffix == ".parquet":
        return parquet_rows(file, column, duplicates)
    return json_rows(decompressed(file, path))


def decompressed(file: BinaryIO, path: str) -> BinaryIO:
    """An open file's content as it is without the compression that its path tells."""
    ending = PurePath(path).suffix
    if ending in COMPRESSIONS:
        # Arrow reads on where one compressed frame ends and the next begins, and knows a broken one.
        file = pa.CompressedInputStream(file, COMPRESSIONS[ending])
    return io.BufferedReader(file, BUFFER)


def json_rows(file: BinaryIO) -> Iterator[dict]:
    """The objects of a file, one a line; blank lines are no rows. A file that is one list is its rows too."""
    lines = (line for line in iter(partial(file.readline, LONGEST), b"") if not line.isspace())
    first = next(lines, b"").removeprefix(BOM_UTF8)
    if first.startswith(b"["):
        content = first + file.read(LARGEST)
        if len(content) > LARGEST:
            raise ValueError(f"it is a list of more than {LARGEST} bytes; write a row a line")
        yield from (as_object(row, number) for number, row in enumerate(json.loads(content.decode())))
        return
    for number, line in enumerate(chain([first] if first else [], lines)):
        if len(line) == LONGEST:  # or it goes on
            raise ValueError(f"row {number}: found {LONGEST} bytes or more in one row")
        try:
            row = json.loads(line.decode())
        except (ValueError, RecursionError) as error:
            raise ValueError(f"row {number}: {error}") from None
        yield as_object(row, number)


def as_object(row: object, number: int) -> dict:
    """A row that is an object; raises ValueError when it is something else."""
    if not isinstance(row, dict):
        raise ValueError(f"row {number}: found {type(row).__name__}, expected an object")
    return row


def parquet_rows(file: BinaryIO, column: str, duplicates: str | None) -> Iterator[dict]:
    """The rows of a Parquet file with the text, the duplicates, and what is read of `meta`, where it is."""
    parquet = pq.ParquetFile(file, pre_buffer=False)
    schema = parquet.schema_arrow
    if column not in schema.names:
        raise ValueError(f"it has no text in column {column}; found {', '.join(schema.names)}")
    wanted = [name for name in (column, duplicates) if name in schema.names]
    if repeated := [name for name in wanted if schema.names.count(name) > 1]:
        raise ValueError(f"it has several columns {repeated[0]}, expected one")
    for batch in parquet.iter_batches(BATCH, columns=[*wanted, *meta_columns(schema)]):
        yield from batch.to_pylist()


def meta_columns(schema: pa.Schema) -> list[str]:
    """The paths of what is read of `meta`: of a struct its fields by name, else the whole if it is text."""
    kinds = [field.type for field in schema if field.name == "meta"]
    if any(map(pa.types.is_struct, kinds)):
        return [f"meta.{field.name}" for field in kinds[0] if field.name in META]
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_dictionary)
    return ["meta"] if any(is_text(kind) for kind in kinds for is_text in texts) else []
