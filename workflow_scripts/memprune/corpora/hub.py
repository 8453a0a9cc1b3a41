"""A corpus of the Hugging Face Hub, or a local folder laid out as one: a stream, read as far as needed."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import datasets
import zstandard
from huggingface_hub.utils import httpx
from tqdm import tqdm

from memprune.documents import Document, as_document, rank, shuffled
from memprune.errors import UserError
from memprune.hub import dataset_commit, one_line, patiently

# datasets reads on after a failure, but what a decompressor had in hand is lost with it and rows are broken.
datasets.config.STREAMING_READ_MAX_RETRIES = 1

UNREADABLE = (
    datasets.exceptions.DatasetsError,
    OSError,
    ValueError,
    StopIteration,  # datasets' word for a compressed file that breaks off in its first bytes
    zstandard.ZstdError,
    httpx.HTTPError,
)


def read(
    corpus: dict, files: list[str], split: str, seed: int, part: int = 0, parts: int = 1
) -> Iterator[Document]:
    """The documents of one part of a split, in the order of the draw.

    Files are taken in an order fixed by the seed, each part its own; their documents pass through a bounded
    buffer, since a stream is too long to shuffle as a whole. A document is named by the split, the number of
    its file and its row there. Raises UserError when the data set, its split or the text column cannot be
    had, or when there are more parts than files.
    """
    name = f"data set {corpus['dataset']}, revision {corpus['revision']}"
    stream = open_stream(corpus["dataset"], corpus["revision"], corpus[split], name)
    shards = sorted(range(stream.num_shards), key=lambda shard: rank(seed, "shard", str(shard)))
    if parts > len(shards):
        raise UserError(
            f"corpus.parts: found {parts}, but split {corpus[split]} of {name} has {len(shards)} files; "
            f"allowed: at most {len(shards)}"
        )
    documents = (
        as_document(row, corpus["text"], f"{corpus[split]}:{shard}:{number}", name)
        for shard in shards[part::parts]
        for number, row in enumerate(rows_of(stream.shard(len(shards), shard), name))
    )
    return buffered(documents, corpus["shuffle_buffer"], seed)


def open_stream(dataset: str, revision: str, split: str, name: str) -> datasets.IterableDataset:
    """The stream of a split, at the commit that the revision is now."""
    if not Path(dataset).is_dir():
        revision = dataset_commit(dataset, revision, name)
    try:
        splits = patiently(lambda: datasets.load_dataset(dataset, revision=revision, streaming=True))
    except UNREADABLE as error:
        raise UserError(f"{name}: cannot be read ({one_line(error)})") from None
    if split not in splits:
        raise UserError(f"{name}: no split {split}; found {', '.join(splits)}")
    return splits[split]


def rows_of(rows: datasets.IterableDataset, name: str) -> Iterator[dict]:
    """The rows of one file; after a failure that lasts, it is opened again and goes on where it was."""
    read, iterator = 0, iter(rows)

    def following() -> dict | None:
        nonlocal iterator
        try:
            return next(iterator, None)
        except Exception:
            iterator = iter(rows.skip(read))
            raise

    try:
        while (row := patiently(following)) is not None:
            yield row
            read += 1
    except UNREADABLE as error:
        raise UserError(f"{name}: cannot be read ({one_line(error)})") from None


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
