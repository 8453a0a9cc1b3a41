"""Draw windows of concatenated text: a split joined to one text, tokenized as one, and cut without context.

So SparseGPT and Wanda compute perplexity: `tokenizer("\\n\\n".join(texts))`, in the order of the split. A
token that the tokenizer adds by itself before a text, as Llama's does, begins the first window.
"""

import sys
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
from tqdm import tqdm
from transformers import PreTrainedTokenizerFast

from memprune.corpus.documents import Document
from memprune.errors import UserError

JOINT = "\n\n"
MARGIN = 1024  # tokens read beyond the last window: how a text ends decides the ids of its last few tokens
CHARACTERS = 4  # of a token, at first guess


def draw_concatenated(
    documents: Iterable[Document], tokenizer: PreTrainedTokenizerFast, window: int, windows: int | None
) -> pa.Table:
    """The windows of `window` tokens of the documents' joined text, the first `windows` of them or all.

    `documents` come in the split's own order. Windows do not overlap, and what is left of the text after the
    last whole one is dropped. Columns: window (from 0), tokens (list of int32), of which the first has no
    context and is not scored. Raises UserError when the text has fewer tokens than a window.
    """
    ids = first_ids(documents, tokenizer, None if windows is None else windows * window)
    count = min(len(ids) // window, windows or sys.maxsize)
    if not count:
        raise UserError(
            f"concatenated.window: found {window}, allowed: at most the tokens of the joined text, {len(ids)}"
        )
    print(f"concatenated: {count} windows of {window} tokens, from the first of {len(ids)} that were read")
    tokens = np.array(ids[: count * window], dtype=np.int32).reshape(count, window)
    return pa.table(
        {
            "window": pa.array(range(count), pa.int64()),
            "tokens": pa.array(list(tokens), pa.list_(pa.int32())),
        }
    )


def first_ids(
    documents: Iterable[Document], tokenizer: PreTrainedTokenizerFast, needed: int | None
) -> list[int]:
    """The token ids of the joined text: of all of it, or of as many first documents as give `needed` ids.

    Reading then stops a margin later, so that the first `needed` ids are those of the whole text.
    """
    enough = sys.maxsize if needed is None else needed + MARGIN
    texts, characters, wanted = [], 0, CHARACTERS * enough
    for document in tqdm(documents, "concatenated", unit="document", mininterval=10, ascii=True, ncols=100):
        texts.append(document.text)
        characters += len(document.text)
        if characters >= wanted:
            ids = joined_ids(texts, tokenizer)
            if len(ids) >= enough:
                return ids
            wanted = 2 * characters
    return joined_ids(texts, tokenizer)


def joined_ids(texts: list[str], tokenizer: PreTrainedTokenizerFast) -> list[int]:
    """The token ids of the texts, joined."""
    whole = tokenizer(
        JOINT.join(texts), return_attention_mask=False, return_token_type_ids=False, verbose=False
    )
    return whole["input_ids"]
