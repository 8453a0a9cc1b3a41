"""Documents of a corpus, whatever its source, and the order in which they are drawn.

Each source is a module of `memprune.corpora` with a function `read(corpus, files, split, seed, part, parts)`:
the settings of the corpus, with those of the draw that a source may need (`window`, `offset`, `vocabulary`),
the local files that it is read from, the split, the seed of the draw, and which of how many parts of the
split is read.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from memprune.errors import UserError


@dataclass(frozen=True)
class Document:
    """A text with its name and subset; `duplicates` is how often it stands in the training data.

    A row of a corpus of tokens has no text, but `tokens`: those of its window, which starts at its token
    `start`; `step` is the step of training that it was seen in, counted from 0.
    """

    document: str
    subset: str
    text: str
    duplicates: int
    tokens: list[int] | None = None
    start: int = 0
    step: int | None = None


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


def rank(seed: int, purpose: str, name: str) -> int:
    """A number in [0, 2^64) that looks random and is fixed for a seed, a purpose and a name."""
    digest = hashlib.blake2b(f"{seed}:{purpose}:{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def window_start(seed: int, document: str, tokens: int, window: int, offset: int | None) -> int:
    """Where the window starts in a document of so many tokens: at `offset`; if that is None, by the seed."""
    return rank(seed, "offset", document) % (tokens - window + 1) if offset is None else offset


def shuffled(documents: Iterable[Document], seed: int) -> list[Document]:
    """The documents in an order fixed by the seed; one document's place is independent of the others."""
    return sorted(documents, key=lambda d: (rank(seed, "order", d.document), d.document))
