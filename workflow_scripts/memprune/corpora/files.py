"""A corpus of local files in the Pile's form: `.jsonl`, `.jsonl.zst` or `.parquet`."""

from collections.abc import Iterator
from pathlib import Path

import datasets
import pyarrow.parquet as pq
import zstandard

from memprune.documents import Document, as_document, shuffled
from memprune.errors import UserError

FORMATS = {".jsonl": "json", ".jsonl.zst": "json", ".parquet": "parquet"}


def read(
    corpus: dict, files: list[str], split: str, seed: int, part: int = 0, parts: int = 1
) -> list[Document]:
    """The documents of a split, in the order of the draw.

    What lies on disk is shuffled as a whole and is one part.
    """
    return shuffled(read_files(corpus[split]), seed)


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
