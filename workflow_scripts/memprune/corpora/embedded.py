"""mini-pile, the embedded corpus: one file for each split."""

from pathlib import Path

from memprune.corpora.files import read_files
from memprune.documents import Document, shuffled


def read(
    corpus: dict, files: list[str], split: str, seed: int, part: int = 0, parts: int = 1
) -> list[Document]:
    """The documents of a split, in the order of the draw; all are one part."""
    own = [file for file in files if Path(file).name == f"{split}.jsonl.zst"]
    return shuffled(read_files(own), seed)
