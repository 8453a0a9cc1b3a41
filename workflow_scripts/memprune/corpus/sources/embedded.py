"""mini-pile, the embedded corpus: one file for each split."""

from memprune.corpus.documents import Document, shuffled
from memprune.corpus.sources.files import read_files


def read(
    corpus: dict, files: list[str], split: str, seed: int | None, part: int = 0, parts: int = 1
) -> list[Document]:
    """The documents of a split, in the order of the draw; all are one part."""
    return shuffled(read_files(files), seed)
