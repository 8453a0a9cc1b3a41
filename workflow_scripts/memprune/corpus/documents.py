"""Documents of a corpus, whatever its source, and the order in which they are drawn.

Each source is a module of `memprune.corpora` with a function `read(corpus, files, split, seed, part, parts)`:
the settings of the corpus, with those of the draw that a source may need (`window`, `offset`, `vocabulary`),
the local files that it is read from, the split, the seed of the draw (None: documents come in the split's own
order), and which of how many parts of the split is read. No two documents of a split have one name.
"""

import ast
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from memprune.errors import UserError

MOST_DUPLICATES = 2**31 - 1


@dataclass(frozen=True)
class Document:
    """A text with its name and subset; `duplicates` is how often it stands in the training data, None where
    nobody counted.

    A row of a corpus of tokens has no text, but `tokens`: those of its window, which starts at its token
    `start`; `step` is the step of training that it was seen in, counted from 0. A known sequence has a text
    or all its `tokens`, and its `category`; `prefix` is how many characters or tokens stand before its
    suffix, None where it does not tell; `published` are scores of it in the order of models, None if unknown.
    """

    document: str
    subset: str
    text: str
    duplicates: int | None
    tokens: list[int] | None = None
    start: int = 0
    step: int | None = None
    category: str | None = None
    prefix: int | None = None
    published: tuple[float | None, ...] = ()


def as_document(row: dict, column: str, name: str, source: str, duplicates: str | None = None) -> Document:
    """A row in the Pile's form as a document: its text and, where `meta` has them, subset and duplicates.

    `duplicates` is the column that tells these in place of `meta`. Raises UserError when one of these is not
    what it should be; nothing else in the row matters.
    """
    text = row.get(column)
    if not isinstance(text, str):
        found = f"{type(text).__name__} there" if column in row else ", ".join(row)
        raise UserError(f"{source}: {name} has no text in column {column}; found {found}")
    meta, place = meta_of(row), f"{source}: {name}"
    if duplicates is not None and duplicates not in row:
        raise UserError(f"{place} has no column {duplicates}; found {', '.join(row)}")
    if duplicates is None:
        count = whole_number(meta.get("duplicates"), "meta.duplicates", place)
    else:
        count = whole_number(row[duplicates], f"column {duplicates}", place, 1)
    return Document(
        document=name,
        subset=word(meta, "pile_set_name", place) or "all",
        text=checked(text, place),
        duplicates=count,
    )


def checked(text: str, place: str) -> str:
    """The text itself; raises UserError when it cannot be written, as half of a surrogate pair cannot."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        found = text[error.start]
        raise UserError(f"{place} is not Unicode: {found!r} at character {error.start}") from None
    return text


def meta_of(row: dict) -> dict:
    """What a row's `meta` says, which some copies of the Pile have as text, of JSON or of Python."""
    meta = row.get("meta")
    if isinstance(meta, str):
        for read in (json.loads, ast.literal_eval):
            try:
                meta = read(meta)
                break
            except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
                continue
    return meta if isinstance(meta, dict) else {}


def word(meta: dict, key: str, place: str) -> str:
    """A text in `meta`, or a number as text; empty if there is none; raises UserError for anything else."""
    value = meta.get(key)
    if value is None:
        return ""
    if not isinstance(value, str | int):
        raise UserError(f"{place} has {type(value).__name__} in meta.{key}, expected a text")
    return checked(str(value), place)


def whole_number(value: object, key: str, place: str, least: int = 0) -> int | None:
    """How often a text stands in the training data, as `key` says; None where it does not say.

    Raises UserError for anything else than a whole number, `least` or more.
    """
    if value is None or value != value or value == "":  # not a number: what pandas makes of nothing
        return None
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        number = -1
    if isinstance(value, bool) or not least <= number <= MOST_DUPLICATES or number != float(value):
        more = f", {least} or more" if least else ""
        raise UserError(f"{place} has {value!r} in {key}, expected a whole number{more}")
    return number


def rank(seed: int, purpose: str, name: str) -> int:
    """A number in [0, 2^64) that looks random and is fixed for a seed, a purpose and a name."""
    digest = hashlib.blake2b(f"{seed}:{purpose}:{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def window_start(seed: int, document: str, tokens: int, window: int, offset: int | None) -> int:
    """Where the window starts in a document of so many tokens: at `offset`; if that is None, by the seed."""
    return rank(seed, "offset", document) % (tokens - window + 1) if offset is None else offset


def shuffled(documents: Iterable[Document], seed: int | None) -> list[Document]:
    """The documents in an order fixed by the seed; one document's place is independent of the others.

    Without a seed they stay in the order given.
    """
    if seed is None:
        return list(documents)
    return sorted(documents, key=lambda d: (rank(seed, "order", d.document), d.document))
