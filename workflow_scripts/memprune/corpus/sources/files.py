"""A corpus of local files in the Pile's form: `.jsonl`, `.jsonl.zst` or `.parquet`."""

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pyarrow.parquet as pq

from memprune.corpus.documents import Document, as_document, meta_of, shuffled, word
from memprune.corpus.text_rows import UNREADABLE, rows_of
from memprune.errors import UserError

FORMATS = (".jsonl", ".jsonl.zst", ".parquet")


def read(
    corpus: dict, files: list[str], split: str, seed: int | None, part: int = 0, parts: int = 1
) -> list[Document]:
    """The documents of a split, in the order of the draw.

    What lies on disk is shuffled as a whole and is one part.
    """
    return shuffled(read_files(corpus[split]), seed)


def read_files(files: Sequence[str]) -> Iterator[Document]:
    """The documents of local files in the Pile's form, in order; no two have one name.

    A document is called what `meta.document` says, unless one before it has that name; else by its place: the
    file, and its row there, counted from 0. Raises UserError for a file that is missing, has an unknown
    ending, or is not what its name says.
    """
    for file in files:
        check_form(file)
    labels, taken = short_names(files), set()
    for file, label in zip(files, labels, strict=True):
        for number, row in enumerate(file_rows(file)):
            document = as_document(row, "text", f"{label}:{number}", file)
            name = word(meta_of(row), "document", f"{file}: {document.document}")
            of, _, tail = name.rpartition(":")
            if name and name not in taken and not (of in labels and tail.isdecimal()):
                taken.add(name)
                document = replace(document, document=name)
            yield document


def file_rows(file: str) -> Iterator[dict]:
    """The rows of a local file; raises UserError when it is not what its name says."""
    try:
        with open(file, "rb") as content:
            yield from rows_of(content, file, "text")
    except UNREADABLE as error:
        raise UserError(not_as_named(file, error)) from None


def short_names(files: Sequence[str]) -> list[str]:
    """A name for each file, all distinct: its own, with so much of its path as tells it from its namesakes.

    That is the path below the folder which holds all files of its name, so that a corpus can be moved. Raises
    UserError for a file that is given twice.
    """
    namesakes = defaultdict(list)
    for file in files:
        path = os.path.abspath(file)
        if path in namesakes[os.path.basename(path)]:
            raise UserError(f"{file}: given twice; give each file once")
        namesakes[os.path.basename(path)].append(path)
    folders = {
        name: os.path.commonpath([os.path.dirname(path) for path in paths])
        for name, paths in namesakes.items()
    }
    return [os.path.relpath(file, folders[os.path.basename(os.path.abspath(file))]) for file in files]


def check_form(file: str) -> None:
    """Raise UserError when a file is missing, empty, or does not begin as its format does."""
    kind = ending(file)
    if not os.path.isfile(file):
        raise UserError(
            f"{file}: {'found a folder, expected a file' if os.path.isdir(file) else 'no such file'}"
        )
    try:
        if kind == ".parquet":
            columns = pq.read_schema(file).names
            if "text" not in columns:
                raise UserError(f"{file}: no column text; found {', '.join(columns)}")
        elif os.path.getsize(file) == 0:
            raise ValueError("it is empty")
        else:
            next(file_rows(file), None)
    except UNREADABLE as error:
        raise UserError(not_as_named(file, error)) from None


def ending(file: str) -> str:
    """The ending of a file's name that tells its format; raises UserError for an unknown one."""
    known = next((end for end in FORMATS if file.endswith(end)), None)
    if known is None:
        raise UserError(f"{file}: unknown ending; allowed: {', '.join(FORMATS)}")
    return known


def not_as_named(file: str, error: Exception) -> str:
    """What a file that is not of the format that its name tells is told."""
    reason = " ".join(str(error).split())[:160]
    return f"{file}: not a {ending(file)} file as its name says ({reason})"
