"""Random rows of a token table: Parquet files with the columns `uid`, `batch_idx` and `token_ids`.

So the data set pietrolesci/pile-deduped-pythia-preshuffled holds what the deduplicated Pythia models were
trained on: 143 files of 1,024,000 rows of 2,049 tokens. `uid` numbers the rows and `batch_idx` the steps of
training, both from 0 and in the order of training: the checkpoint `step1000` has seen steps 0 to 999.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import count, islice
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from memprune.corpus.documents import Document, rank, whole_number, window_start
from memprune.corpus.token_files import TokenFiles, attempt, check_window, in_parallel
from memprune.errors import UserError

COLUMNS = ("uid", "batch_idx", "token_ids")
TOGETHER = 50  # rows read from one place: they come preshuffled, so neighbours are as random as any
BUFFER = 2**18  # bytes of one request
LAST_STEP = 2**31 - 1  # as samples keep it, an int32
REQUESTS = 4  # at a time


def table_rows(
    files: TokenFiles, seed: int, window: int, offset: int | None, duplicates: str | None = None
) -> Iterator[Document]:
    """Rows in an order fixed by the seed, none twice, `TOGETHER` from one row group after another.

    All files are visited in turn, so that their rows, and steps of training, are drawn evenly; a file's row
    groups too, and of a group first its first rows: no more of it is read. `duplicates` is the column that
    tells how often a row stands in the training data. Raises UserError when a column lacks or a row is too
    short for its window.
    """
    columns = COLUMNS if duplicates is None else (*COLUMNS, duplicates)
    order = sorted(files.paths, key=lambda path: rank(seed, "file", Path(path).name))

    @cache
    def metadata(path: str) -> pq.FileMetaData:
        def read() -> pq.FileMetaData:
            with open_file(files, path) as file:
                return pq.read_metadata(file)

        place = f"{files.place}, {Path(path).name}"
        found = attempt(place, read)
        check_columns(place, found.schema.to_arrow_schema(), columns)
        return found

    def visit(number: int) -> list[Document]:
        turn, place = divmod(number, len(order))
        path = order[place]
        return [
            row_document(files.place, row, seed, window, offset, duplicates)
            for row in read_rows(files, path, metadata(path), turn, seed, columns)
        ]

    metadata(order[0])
    drawn = 0
    for rows in in_parallel(visit, count(), REQUESTS):
        yield from rows
        drawn += len(rows)
        if not rows and drawn == sum(metadata(path).num_rows for path in order):
            return


def open_file(files: TokenFiles, path: str) -> IO[bytes]:
    """A file open for reading, in which every read is a request for just those bytes."""
    return files.filesystem.open(path, "rb", cache_type="none")


def check_columns(place: str, schema: pa.Schema, columns: Sequence[str]) -> None:
    """Raise UserError unless a file's schema has the columns, with lists of whole numbers as tokens."""
    if lacking := [name for name in columns if name not in schema.names]:
        raise UserError(f"{place}: no column {lacking[0]}; found {', '.join(schema.names)}")
    if repeated := [name for name in columns if schema.names.count(name) > 1]:
        raise UserError(f"{place}: found several columns {repeated[0]}, expected one")
    for name in (name for name in columns if name != "token_ids"):
        if not pa.types.is_integer(schema.field(name).type):
            found = schema.field(name).type
            raise UserError(f"{place}: found {found} in column {name}, expected whole numbers")
    kind = schema.field("token_ids").type
    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if not lists or not pa.types.is_integer(kind.value_type):
        raise UserError(f"{place}: found {kind} in column token_ids, expected lists of whole numbers")


def read_rows(
    files: TokenFiles, path: str, metadata: pq.FileMetaData, turn: int, seed: int, columns: Sequence[str]
) -> list[dict]:
    """The rows of a file that visit `turn` to it gives; none where its row groups have no more."""
    name = Path(path).name
    groups = sorted(range(metadata.num_row_groups), key=lambda group: rank(seed, "group", f"{name}:{group}"))
    deep, place = divmod(turn, max(len(groups), 1))
    if not groups or deep * TOGETHER >= metadata.row_group(groups[place]).num_rows:
        return []

    def read() -> list[dict]:
        with open_file(files, path) as file:
            # By a buffer and without pre_buffer, columns are read page by page, as far as is asked for.
            table = pq.ParquetFile(file, metadata=metadata, buffer_size=BUFFER, pre_buffer=False)
            batches = table.iter_batches(TOGETHER, [groups[place]], list(columns), use_threads=False)
            return next(islice(batches, deep, None)).to_pylist()

    return attempt(f"{files.place}, {name}", read)


def row_document(
    place: str, row: dict, seed: int, window: int, offset: int | None, duplicates: str | None
) -> Document:
    """A row as a document, of which the window is kept; raises UserError when it is too short."""
    name, tokens = f"row {row['uid']}", row["token_ids"]
    for column in COLUMNS:
        if row[column] is None or (column == "token_ids" and None in tokens):
            raise UserError(f"{place}: {name} lacks a value in column {column}")
    if not 0 <= row["batch_idx"] <= LAST_STEP:
        raise UserError(
            f"{place}: {name} has {row['batch_idx']} in column batch_idx, allowed: 0 to {LAST_STEP}"
        )
    check_window(place, name, len(tokens), window, offset)
    start = window_start(seed, name, len(tokens), window, offset)
    counted = (
        whole_number(row[duplicates], f"column {duplicates}", f"{place}: {name}", 1) if duplicates else None
    )
    return Document(name, "all", "", counted, tokens[start : start + window], start, row["batch_idx"])
