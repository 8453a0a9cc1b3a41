"""Known sequences: rows of texts or token ids, of a data set, of local files or of arrays, each a member."""

from collections.abc import Iterator
from functools import partial

from memprune.corpus.documents import Document, shuffled
from memprune.corpus.known_rows import as_sequence
from memprune.corpus.sequence_arrays import array_rows
from memprune.corpus.sequence_files import data_set_rows, local_rows
from memprune.corpus.sources.hub import buffered


def read(
    corpus: dict, files: list[str], split: str, seed: int, part: int = 0, parts: int = 1
) -> Iterator[Document]:
    """The sequences in the order of the draw; there is one split and one part.

    Local rows are shuffled as a whole; those of a data set come file by file in an order fixed by the seed,
    of Parquet row group by row group, and pass through a bounded buffer. Raises UserError when they cannot be
    read, lack a column that is named, or hold what a sequence cannot: see `as_sequence`.
    """
    if corpus.get("arrays"):
        return iter(shuffled(array_rows(corpus["arrays"], corpus["vocabulary"]), seed))
    described = partial(as_sequence, corpus=corpus)
    if corpus.get("files"):
        return iter(shuffled((described(*row) for row in local_rows(corpus)), seed))
    documents = (described(*row) for row in data_set_rows(corpus, seed))
    return buffered(documents, corpus["shuffle_buffer"], seed)
