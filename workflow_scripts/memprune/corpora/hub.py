"""A corpus of the Hugging Face Hub, or a local folder laid out as one: a stream, read as far as needed."""

from collections.abc import Iterator

import datasets

from memprune.documents import Document, as_document
from memprune.errors import UserError


def read(corpus: dict, files: list[str], split: str, seed: int) -> Iterator[Document]:
    """The documents of a split, in the order of the draw: a stream is too long to shuffle as a whole."""
    return read_hub(
        corpus["dataset"], corpus["revision"], corpus[split], corpus["text"], seed, corpus["shuffle_buffer"]
    )


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
