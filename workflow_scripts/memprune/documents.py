"""Documents of a corpus, one at a time, streamed by `datasets` from local files or a data set."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import datasets
import pyarrow.parquet as pq
import zstandard

from memprune.errors import UserError

FORMATS = {".jsonl": "json", ".jsonl.zst": "json", ".parquet": "parquet"}


@dataclass(frozen=True)
class Document:
    """A text with its name and subset; `duplicates` is how often it stands in the training data."""

    document: str
    subset: str
    text: str
    duplicates: int


def read_files(files: list[str]) -> Iterator[Document]:
    """The documents of local files in the Pile's form, in order.

    Raises UserError for a file that is missing, has an unknown ending, or is not what its name says.
    """
    for file in files:
        check_file(file)
    for file in files:
        kind = FORMATS[ending(file)]
        try:
            rows = datasets.load_dataset(kind, data_files=file, split="train", streaming=True)
            for number, row in enumerate(rows):
                yield as_document(row, "text", f"{Path(file).name}:{number}", file)
        except (
            datasets.exceptions.DatasetGenerationError,
            ValueError,
            OSError,
            zstandard.ZstdError,
            StopIteration,  # datasets' word for a compressed file that breaks off in its first bytes
        ) as error:
            reason = " ".join(str(error).split())[:160] or "it breaks off"
            raise UserError(f"{file}: not a {ending(file)} file as its name says ({reason})") from None


def ending(file: str) -> str:
    """The ending of a file's name that tells its format; raises UserError for an unknown one."""
    known = next((end for end in FORMATS if file.endswith(end)), None)
    if known is None:
        raise UserError(f"{file}: unknown ending; allowed: {', '.join(FORMATS)}")
    return known


def check_file(file: str) -> None:
    """Raise UserError when a file is missing or its first bytes are not those of its format."""
    kind = ending(file)
    if not Path(file).is_file():
        raise UserError(f"{file}: no such file")
    try:
        if kind == ".parquet":
            columns = pq.read_schema(file).names
            if "text" not in columns:
                raise UserError(f"{file}: no column text; found {', '.join(columns)}")
        elif kind == ".jsonl.zst":
            with open(file, "rb") as content:
                zstandard.get_frame_parameters(content.read(64))
    except (OSError, ValueError, zstandard.ZstdError) as error:
        raise UserError(f"{file}: not a {kind} file as its name says ({error})") from None


def read_hub(
    dataset: str, revision: str, split: str, column: str, seed: int, shuffle_buffer: int
) -> Iterator[Document]:
    """The documents of one split of a data set, in the order of a seeded, bounded shuffle.

    `dataset` is a repository or a local folder laid out as one. Raises UserError when it, its split or the
    text column cannot be had.
    """
    try:
        rows = datasets.load_dataset(dataset, revision=revision, split=split, streaming=True)
    except (OSError, ValueError, datasets.exceptions.DatasetNotFoundError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"corpus.dataset {dataset}, revision {revision}, split {split}: cannot be read ({reason})"
        ) from None
    # Documents are named by their place in the unshuffled stream, so that a name is the same for every seed.
    numbered = rows.map(lambda row, number: {"number_": number}, with_indices=True)
    for row in numbered.shuffle(seed=seed, buffer_size=shuffle_buffer):
        yield as_document(row, column, f"{split}:{row['number_']}", dataset)


def as_document(row: dict, column: str, name: str, source: str) -> Document:
    """A row in the Pile's form as a document; raises UserError when the text is missing or not text."""
    text = row.get(column)
    if not isinstance(text, str):
        found = f"{type(text).__name__} there" if column in row else ", ".join(row)
        raise UserError(f"{source}: {name} has no text in column {column}; found {found}")
    meta = row.get("meta") or {}
    return Document(
        document=meta.get("document") or name,
        subset=meta.get("pile_set_name") or "all",
        text=text,
        duplicates=int(meta.get("duplicates") or 1),
    )
