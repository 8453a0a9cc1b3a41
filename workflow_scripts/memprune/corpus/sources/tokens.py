"""A corpus of tokens: what a model was trained on, as rows of tokens; a few random ones are read."""

from collections.abc import Iterator

from memprune.corpus.documents import Document
from memprune.corpus.token_files import TokenFiles, find_files
from memprune.corpus.token_stream import stream_rows
from memprune.corpus.token_table import table_rows
from memprune.errors import UserError


def read(
    corpus: dict, files: list[str], split: str, seed: int, part: int = 0, parts: int = 1
) -> Iterator[Document]:
    """Random rows, none twice, in an order fixed by the seed; there is one split and one part.

    Of each row the window is read: `window` tokens from `offset` on, None: where the seed says. Raises
    UserError when the files cannot be read, are not what they should be, name two rows alike, or hold tokens
    that are not below `vocabulary`, the model's.
    """
    found = find_files(corpus["dataset"], corpus["revision"], corpus["files"])
    print(f"{found.place}: {len(found.paths)} files of {sum(found.sizes) / 1e9:.1f} GB", flush=True)
    taken: set[str] = set()
    for row in rows_of(found, seed, corpus):
        if row.document in taken:
            raise UserError(
                f"{found.place}: {row.document} comes twice; uid must number the rows of all files"
            )
        taken.add(row.document)
        least, greatest = min(row.tokens), max(row.tokens)
        if least < 0 or greatest >= corpus["vocabulary"]:
            raise UserError(
                f"{found.place}: {row.document} has tokens from {least} to {greatest}, the model has 0 to "
                f"{corpus['vocabulary'] - 1}; are these another tokenizer's?"
            )
        yield row


def rows_of(found: TokenFiles, seed: int, corpus: dict) -> Iterator[Document]:
    """The rows of files of either form; raises UserError where a stream is to tell duplicates."""
    place, column = (corpus["window"], corpus["offset"]), corpus.get("duplicates")
    if found.paths[0].endswith(".parquet"):
        return table_rows(found, seed, *place, column)
    if column is not None:
        raise UserError(
            f"{found.place}: corpus.duplicates: found {column}, but .bin files have no columns; give "
            "corpus.counts"
        )
    return stream_rows(found, seed, *place)
