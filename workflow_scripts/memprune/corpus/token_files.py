"""Files of tokens, in a repository of the Hugging Face Hub or a local folder: listed, read by byte ranges.

Nothing is downloaded whole. On the Hub, requests that fail or break off are repeated with growing pauses, and
huggingface_hub waits as long as the Hub's rate limits ask for.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem
from huggingface_hub import HfFileSystem
from huggingface_hub.utils import httpx

from memprune.corpus.local_files import is_hidden, matching_files
from memprune.errors import UserError
from memprune.models.hub_contact import dataset_commit, one_line, patiently

ENDINGS = (".bin", ".parquet")

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class TokenFiles:
    """The files of a corpus by name, with their sizes in bytes; `place` names them all in messages."""

    place: str
    filesystem: AbstractFileSystem
    paths: tuple[str, ...]
    sizes: tuple[int, ...]


def find_files(dataset: str, revision: str, pattern: str) -> TokenFiles:
    """The files of a repository's revision, or of a local folder, whose place in it matches `pattern`.

    Raises UserError when they cannot be listed, none matches, or they are not of one known form.
    """
    if Path(dataset).is_dir():
        place, filesystem = f"corpus.dataset {dataset}", LocalFileSystem()
        paths = [os.path.abspath(path) for path in matching_files(dataset, pattern)]
        sizes = {path: os.path.getsize(path) for path in paths}
    else:
        place = f"corpus.dataset {dataset}, revision {revision}"
        root = f"datasets/{dataset}@{dataset_commit(dataset, revision, place)}"
        filesystem = HfFileSystem()
        found = attempt(place, lambda: filesystem.glob(f"{root}/{pattern}", detail=True))
        sizes = {
            path: about["size"]
            for path, about in sorted(found.items())
            if about["type"] == "file" and not is_hidden(os.path.relpath(path, root), pattern)
        }
    if not sizes:
        raise UserError(f"{place}: no file matches corpus.files {pattern}")
    endings = {Path(path).suffix for path in sizes}
    if len(endings) > 1 or endings.isdisjoint(ENDINGS):
        raise UserError(
            f"{place}: corpus.files {pattern} matches files that end in {', '.join(sorted(endings))}; "
            f"allowed: all of one ending, {' or '.join(ENDINGS)}"
        )
    return TokenFiles(place, filesystem, tuple(sizes), tuple(sizes.values()))


def read_range(files: TokenFiles, path: str, start: int, stop: int) -> bytes:
    """Bytes `start` to `stop` of a file, by a request for just them; raises UserError when they lack."""
    place = f"{files.place}, {Path(path).name}"
    content = attempt(place, lambda: files.filesystem.cat_file(path, start, stop, cache_type="none"))
    if len(content) != stop - start:
        raise UserError(f"{place}: got {len(content)} bytes of bytes {start} to {stop - 1}")
    return content


def check_window(place: str, row: str, tokens: int, window: int, offset: int | None) -> None:
    """Raise UserError when a row of so many tokens is too short for its window; `row` names it."""
    if (offset or 0) + window > tokens:
        raise UserError(
            f"{place}: {row} has {tokens} tokens; samples.context_lengths + suffix, from samples.offset on, "
            f"ask for {(offset or 0) + window}, or calibration.tokens or retraining.tokens does"
        )


def attempt(place: str, action: Callable[[], Result]) -> Result:
    """The result of a reading; what fails after several tries too is a UserError that names the place."""
    try:
        return patiently(action)
    except (OSError, httpx.HTTPError, pa.ArrowException) as error:
        raise UserError(f"{place}: cannot be read ({one_line(error)})") from None


def in_parallel(function: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Result]:
    """The function's results in the order of the items, of which there may be no end, by several threads.

    No more than `workers` items are taken ahead of the results that are asked for.
    """
    items = iter(items)
    with ThreadPoolExecutor(workers) as pool:
        waiting = deque(pool.submit(function, item) for item in islice(items, workers))
        try:
            while waiting:
                result = waiting.popleft().result()
                waiting.extend(pool.submit(function, item) for item in islice(items, 1))
                yield result
        finally:
            pool.shutdown(cancel_futures=True)
