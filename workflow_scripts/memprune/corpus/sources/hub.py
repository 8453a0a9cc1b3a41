"""A corpus of the Hugging Face Hub, or a local folder laid out as one: a stream, read as far as needed."""

import io
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path, PurePath
from typing import BinaryIO

import datasets
import zstandard
from huggingface_hub import HfFileSystem
from huggingface_hub.utils import httpx
from tqdm import tqdm

from memprune.corpus import text_rows
from memprune.corpus.documents import Document, as_document, rank, shuffled
from memprune.errors import UserError
from memprune.models.hub_contact import dataset_commit, one_line, patiently

# datasets reads on after a failure, but what a decompressor had in hand is lost with it and rows are broken.
datasets.config.STREAMING_READ_MAX_RETRIES = 1

# Of a data set's files. Of the others that datasets knows, some open what they name elsewhere.
TEXT_KINDS = ("arrow", "csv", "json", "parquet", "text")
UNREADABLE = (
    *text_rows.UNREADABLE,
    datasets.exceptions.DatasetsError,
    TypeError,  # pyarrow's word for a column whose type changes
    StopIteration,  # datasets' word for a compressed file that breaks off in its first bytes,
    RuntimeError,  # and Python's, where that passes through a generator
    zstandard.ZstdError,
    httpx.HTTPError,
)


def read(
    corpus: dict, files: list[str], split: str, seed: int | None, part: int = 0, parts: int = 1
) -> Iterator[Document]:
    """The documents of one part of a split, in the order of the draw.

    Files are taken in an order fixed by the seed, each part its own; their documents pass through a bounded
    buffer, since a stream is too long to shuffle as a whole. Without a seed both stay in order. A document
    is named by the split, the number of its file and its row there. Raises UserError when the data set, its
    split or the text column cannot be had, or when there are more parts than files.
    """
    name = f"data set {corpus['dataset']}, revision {corpus['revision']}"
    shards = shards_of(corpus, corpus[split], name)
    order = list(range(len(shards)))
    if seed is not None:
        order.sort(key=lambda shard: rank(seed, "shard", str(shard)))
    if parts > len(shards):
        raise UserError(
            f"corpus.parts: found {parts}, but split {corpus[split]} of {name} has {len(shards)} files; "
            f"allowed: at most {len(shards)}"
        )
    documents = (
        as_document(row, corpus["text"], f"{corpus[split]}:{shard}:{number}", name, corpus.get("duplicates"))
        for shard in order[part::parts]
        for number, row in enumerate(readable(shards[shard], f"{name}, file {shard} of {corpus[split]}"))
    )
    return documents if seed is None else buffered(documents, corpus["shuffle_buffer"], seed)


def shards_of(corpus: dict, split: str, name: str) -> list[Callable[[], Iterator[dict]]]:
    """For each file of a split, what opens it and gives its rows, at the commit that the revision is now.

    datasets says which files a split has. It fixes the types of all columns by a file's first rows, so JSON
    lines and Parquet are read without it; whatever else it can read, it reads.
    """
    builder, paths = files_of(corpus, split, name)
    if all(is_plain(builder, path) for path in paths):
        return [partial(file_rows, path, corpus["text"], corpus.get("duplicates")) for path in paths]
    try:
        stream = patiently(lambda: builder.as_streaming_dataset(split))
    except UNREADABLE as error:
        raise UserError(f"{name}: cannot be read ({one_line(error)})") from None
    return [partial(stream_rows, stream.shard(stream.num_shards, i)) for i in range(stream.num_shards)]


def files_of(corpus: dict, split: str, name: str) -> tuple[datasets.DatasetBuilder, list[str]]:
    """How datasets would read a data set, and the places of a split's files, at the revision's commit now.

    Raises UserError, which begins with `name`, when it cannot be had or lacks the split.
    """
    dataset, revision, config = corpus["dataset"], corpus["revision"], corpus.get("config")
    if not Path(dataset).is_dir():
        revision = dataset_commit(dataset, revision, name)
    try:
        builder = patiently(lambda: datasets.load_dataset_builder(dataset, config, revision=revision))
        found = {str(own): list(map(str, paths)) for own, paths in (builder.config.data_files or {}).items()}
    except UNREADABLE as error:
        raise UserError(f"{name}: cannot be read ({one_line(error)})") from None
    if builder.name not in TEXT_KINDS:
        raise UserError(f"{name}: found files of kind {builder.name}, allowed: {', '.join(TEXT_KINDS)}")
    if split not in found:
        raise UserError(f"{name}: no split {split}; found {', '.join(found)}")
    return builder, found[split]


def is_plain(builder: datasets.DatasetBuilder, path: str) -> bool:
    """Whether a file is JSON lines or Parquet, as it is or compressed, and on this machine or the Hub."""
    about, endings = builder.config, PurePath(path).suffixes
    plain_json = builder.name == "json" and about.field is None and about.encoding == "utf-8"
    here = path.startswith("hf://") or "://" not in path
    compressed = bool(endings) and endings[-1] in text_rows.COMPRESSIONS
    known = compressed or (bool(endings) and endings[-1] in (".json", ".jsonl", ".ndjson"))
    return here and ((plain_json and known) or (builder.name == "parquet" and path.endswith(".parquet")))


def file_rows(path: str, column: str, duplicates: str | None) -> Iterator[dict]:
    """The rows of a file on this machine or the Hub."""
    with open_patiently(path) as file:
        yield from text_rows.rows_of(file, path, column, duplicates)


def open_patiently(path: str) -> BinaryIO:
    """A file of this machine or the Hub, open for reading; there a failure that passes is waited for, and
    reading goes on where it was."""
    if not path.startswith("hf://"):
        return open(path, "rb")
    return io.BufferedReader(PatientFile(patiently(lambda: HfFileSystem().open(path, "rb"))))


class PatientFile(io.RawIOBase):
    """A file of the Hub of which each read is tried again after a failure that passes."""

    def __init__(self, file):
        self.file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()

    def readinto(self, buffer) -> int:
        content = patiently(lambda: self.file.read(len(buffer)))
        if not content and len(buffer) and self.file.tell() < self.file.size:
            raise OSError(f"breaks off after {self.file.tell()} of {self.file.size} bytes")
        buffer[: len(content)] = content
        return len(content)


def stream_rows(rows: datasets.IterableDataset) -> Iterator[dict]:
    """The rows of one file; after a failure that lasts, it is opened again and goes on where it was."""
    read, iterator = 0, iter(rows)

    def following() -> dict | None:
        nonlocal iterator
        try:
            return next(iterator, None)
        except Exception:
            iterator = iter(rows.skip(read))
            raise

    while (row := patiently(following)) is not None:
        yield row
        read += 1


def readable(shard: Callable[[], Iterator[dict]], place: str) -> Iterator[dict]:
    """The rows of a file; raises UserError, which names its place, when it cannot be read to its end."""
    try:
        yield from shard()
    except UNREADABLE as error:
        raise UserError(f"{place}: cannot be read ({one_line(error)})") from None


def buffered(documents: Iterable[Document], size: int, seed: int) -> Iterator[Document]:
    """The documents, shuffled within a buffer of `size`: each new one takes the place of one that leaves."""
    documents = iter(documents)
    filling = tqdm(documents, "shuffle buffer", size, unit="document", mininterval=10, ascii=True, ncols=100)
    buffer = list(islice(filling, size))
    filling.close()
    for document in documents:
        place = rank(seed, "buffer", document.document) % size
        yield buffer[place]
        buffer[place] = document
    yield from shuffled(buffer, seed)
