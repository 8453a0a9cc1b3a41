"""Draw training text that methods may use: windows of documents that no sample is from."""

from collections.abc import Iterable

import pyarrow as pa
from transformers import PreTrainedTokenizerFast

from memprune.corpus.document_windows import first_windows, token_column
from memprune.corpus.documents import Document, rank
from memprune.corpus.taken import Taken
from memprune.errors import UserError

KINDS = ("calibration", "retraining")


def order_seed(kind: str, seed: int) -> int:
    """The seed of the order in which documents of a draw come: the seed itself, or one of the kind's own.

    In the order of members, text for methods would be the documents that the next members are drawn from.
    """
    return rank(seed, "order of text", kind) if kind in KINDS else seed


def draw_text(
    documents: Iterable[Document],
    tokenizer: PreTrainedTokenizerFast,
    kind: str,
    window: int,
    count: int,
    seed: int,
    taken: Taken,
) -> pa.Table:
    """One window of `window` tokens from each of the first `count` documents that are long enough.

    No window has text that is `taken`. Where it starts the seed and the document's name say. Columns: sample
    (from 0), document, subset, offset (tokens), tokens (fixed-size list of int32). Raises UserError when
    there are too few documents, with the number found.
    """
    rows, skipped = first_windows(documents, tokenizer, window, count, seed, None, f"{kind} texts", taken)
    print(f"{kind}: {len(rows)} texts; {skipped}")
    if len(rows) < count:
        raise UserError(
            f"{kind}.texts: found {len(rows)} documents of at least {window} tokens that no other draw took, "
            f"expected {count}; ask for fewer, or for fewer {kind}.tokens"
        )
    return pa.table(
        {
            "sample": pa.array(range(count), pa.int64()),
            "document": [document.document for document, _, _ in rows],
            "subset": [document.subset for document, _, _ in rows],
            "offset": pa.array([start for _, start, _ in rows], pa.int32()),
            "tokens": token_column([ids for _, _, ids in rows]),
        }
    )
