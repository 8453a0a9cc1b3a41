"""Windows of tokens from documents, in the order of a draw: what all draws of single windows share."""

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
import pyarrow as pa
from tqdm import tqdm
from transformers import PreTrainedTokenizerFast

from memprune.corpus.documents import Document, window_start
from memprune.corpus.taken import Taken

ENCODED_AT_ONCE = 64  # documents: enough for the tokenizer's threads, few enough to stop early


def encoded(
    documents: Iterable[Document], tokenizer: PreTrainedTokenizerFast
) -> Iterator[tuple[Document, list[int], list[tuple[int, int]]]]:
    """Each document with its token ids (no special tokens are added) and the tokens' spans of characters.

    A row of a corpus of tokens comes as it is, without spans.
    """
    documents = iter(documents)
    for first in documents:
        if first.tokens is not None:
            yield first, first.tokens, []
            continue
        group = [first, *islice(documents, ENCODED_AT_ONCE - 1)]
        # By transformers' own call, which cuts and pads nothing, whatever the tokenizer's files store.
        whole = tokenizer(
            [document.text for document in group],
            add_special_tokens=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            return_offsets_mapping=True,
            verbose=False,
        )
        yield from zip(group, whole["input_ids"], whole["offset_mapping"], strict=True)


def first_windows(
    documents: Iterable[Document],
    tokenizer: PreTrainedTokenizerFast,
    window: int,
    count: int,
    seed: int,
    offset: int | None,
    label: str,
    taken: Taken,
) -> tuple[list[tuple[Document, int, list[int]]], str]:
    """One window of `window` tokens from each of the first documents that are long enough, `count` at most.

    Each is a document, where its window starts, and the window's tokens; beside them stands in words how many
    documents were skipped as too short, and how many as their window has text that is `taken`. The window
    starts at `offset`; None: where the seed and the document's name say. `label` names the bar that shows the
    progress.
    """
    rows, short, shared = [], 0, 0
    bar = progress(label, count, "sample")
    for document, ids, _ in encoded(documents, tokenizer):
        placed = window_of(document, ids, window, seed, offset)
        if placed is None:
            short += 1
            continue
        if taken.has_run_of(placed[1]):
            shared += 1
            continue
        rows.append((document, *placed))
        bar.set_postfix(documents=len(rows) + short + shared, refresh=False)
        bar.update()
        if len(rows) == count:
            break
    bar.close()
    skipped = f"{short} documents skipped as shorter than {window} tokens"
    return rows, skipped + (f", {shared} as other draws have their text" if shared else "")


def window_of(
    document: Document, ids: list[int], window: int, seed: int, offset: int | None
) -> tuple[int, list[int]] | None:
    """The start and the tokens of a document's window, None if the document is too short for it.

    A row of a corpus of tokens is read as its window already.
    """
    if document.tokens is not None:
        return document.start, document.tokens
    if len(ids) < (offset or 0) + window:
        return None
    start = window_start(seed, document.document, len(ids), window, offset)
    return start, ids[start : start + window]


def token_column(windows: list[list[int]]) -> pa.FixedSizeListArray:
    """Windows of equally many tokens, one at least, as a column of lists of int32."""
    tokens = np.array(windows, dtype=np.int32)
    assert tokens.ndim == 2, tokens.shape
    return pa.FixedSizeListArray.from_arrays(pa.array(tokens.reshape(-1)), tokens.shape[1])


def progress(label: str, count: int, unit: str) -> tqdm:
    """A bar of what is drawn, with rate, time left and how many documents were read for it."""
    return tqdm(desc=label, total=count, unit=unit, mininterval=10, ascii=True, ncols=100)
