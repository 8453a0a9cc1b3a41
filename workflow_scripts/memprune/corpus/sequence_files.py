"""Rows of files of known sequences: JSON lines or Parquet, on this machine or of a data set of the Hub."""

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import PurePath
from typing import BinaryIO

import pyarrow.parquet as pq

from memprune.corpus.documents import rank
from memprune.corpus.known_rows import columns_of
from memprune.corpus.sources.files import ending, not_as_named, short_names
from memprune.corpus.sources.hub import UNREADABLE, files_of, is_plain, open_patiently
from memprune.corpus.text_rows import BATCH, rows_of
from memprune.errors import UserError
from memprune.models.hub_contact import one_line

Row = tuple[Mapping, str, str]  # with its name, and the place that messages name


def local_rows(corpus: Mapping) -> Iterator[Row]:
    """The rows of local files in order, each named `file:row`. Raises UserError for what is no such file."""
    columns = columns_of(corpus)
    for file, label in zip(corpus["files"], short_names(corpus["files"]), strict=True):
        ending(file)
        if not os.path.isfile(file):
            raise UserError(f"{file}: no such file")
        try:
            with open(file, "rb") as content:
                for number, row in numbered_rows(content, file, columns, None, file):
                    yield row, f"{label}:{number}", file
        except UNREADABLE as error:
            raise UserError(not_as_named(file, error)) from None


def data_set_rows(corpus: Mapping, seed: int) -> Iterator[Row]:
    """The rows of a data set's split, each named `split:file:row`, in an order fixed by the seed.

    Raises UserError when it cannot be read, or has files of another form than JSON lines and Parquet.
    """
    split, columns = corpus["split"], columns_of(corpus)
    name = f"data set {corpus['dataset']}, revision {corpus['revision']}"
    builder, paths = files_of(corpus, split, name)
    if odd := next((path for path in paths if not is_plain(builder, path)), None):
        raise UserError(f"{name}: found {PurePath(odd).name}, allowed: files of JSON lines or Parquet")
    for file in sorted(range(len(paths)), key=lambda file: rank(seed, "shard", str(file))):
        place = f"{name}, {PurePath(paths[file]).name}"
        try:
            with open_patiently(paths[file]) as content:
                for number, row in numbered_rows(content, paths[file], columns, seed, place):
                    yield row, f"{split}:{file}:{number}", place
        except UNREADABLE as error:
            raise UserError(f"{place}: cannot be read ({one_line(error)})") from None


def numbered_rows(
    file: BinaryIO, path: str, columns: Sequence[str], seed: int | None, place: str
) -> Iterator[tuple[int, Mapping]]:
    """The rows of an open file with their numbers from 0, of Parquet these columns alone.

    Row groups of Parquet come in an order fixed by the seed, so that a few rows are from all of the file;
    None: in their own. Raises one of UNREADABLE where the file is not what it should be, and UserError, which
    begins with `place`, where Parquet has not each column once.
    """
    if PurePath(path).suffix != ".parquet":
        yield from enumerate(rows_of(file, path, ""))
        return
    parquet = pq.ParquetFile(file, pre_buffer=False)
    names = parquet.schema_arrow.names
    for column in columns:
        if names.count(column) != 1:
            found = f"several columns {column}, expected one" if column in names else f"no column {column}"
            raise UserError(f"{place}: {found}; found {', '.join(names)}")
    groups = range(parquet.num_row_groups)
    starts = [0, *accumulate(parquet.metadata.row_group(group).num_rows for group in groups)]
    ordered = groups if seed is None else sorted(groups, key=lambda group: rank(seed, "group", str(group)))
    for group in ordered:
        number = starts[group]
        for batch in parquet.iter_batches(BATCH, [group], columns):
            yield from enumerate(batch.to_pylist(), start=number)
            number += len(batch)
