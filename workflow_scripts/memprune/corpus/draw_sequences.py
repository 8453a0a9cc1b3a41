"""Draw samples from known sequences: each row is one, as long as it is, at its own place.

A sample has as many tokens as the longest context and the suffix. A shorter row is filled up in front with
`padding`, and belongs to the context lengths alone that it has tokens for.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
from transformers import PreTrainedTokenizerFast

from memprune.corpus.document_windows import encoded, progress, token_column
from memprune.corpus.documents import Document, window_start
from memprune.corpus.drawn import PUBLISHED
from memprune.corpus.taken import Taken
from memprune.errors import UserError

PAD = 0  # an id of any vocabulary, which is never scored


@dataclass(frozen=True)
class Placed:
    """A sequence's own window: its first token's place in the row, and its tokens, suffix last."""

    document: Document
    start: int
    tokens: list[int]


def draw_sequences(
    documents: Iterable[Document], tokenizer: PreTrainedTokenizerFast, spec: Mapping, taken: Taken
) -> pa.Table:
    """Samples of the first `count` sequences that are long enough for some context length; all if fewer.

    Columns are those of `draw_samples`, and category (text or null), padding (tokens in front of `tokens`
    that are none of the sequence), and `PUBLISHED` scores (float64, null where unknown) of each model that
    has some. The metadata tells `too_short`: how many rows had too few tokens for every context length.
    Prints what was drawn, and for each context length how many were too short. Raises UserError when no
    sequence is left for a context length, for a prefix or suffix that is too short, and for ids that are no
    tokens.
    """
    rows, short, shared = [], 0, 0
    greatest = max(tokenizer.get_vocab().values())
    bar = progress(spec["kind"], spec["count"], "sequence")
    for document, ids, spans in encoded(documents, tokenizer):
        check_tokens(document, ids, greatest)
        placed = place(document, ids, spans, spec)
        if placed is None:
            short += 1
        elif taken.has_run_of(placed.tokens):
            shared += 1
        else:
            rows.append(placed)
            bar.update()
        if len(rows) == spec["count"]:
            break
    bar.close()
    contexts = [len(row.tokens) - spec["suffix"] for row in rows]
    tell(spec, contexts, short, shared)
    check_count(spec, contexts)
    duplicates = Counter(row.document.duplicates for row in rows)
    print("  by duplicates: " + ", ".join(f"{key}: {duplicates[key]}" for key in sorted(duplicates, key=str)))
    return as_table(rows, spec).replace_schema_metadata({"too_short": json.dumps(short)})


def place(
    document: Document, ids: Sequence[int], spans: Sequence[tuple[int, int]], spec: Mapping
) -> Placed | None:
    """The sequence's window; None where the row is too short for every context length.

    A row that tells where its suffix begins has it there: in a text, at the first token that reaches beyond
    the prefix. Others are as documents are, and shorter ones are taken whole from the offset on.
    """
    shortest, suffix = min(spec["context_lengths"]), spec["suffix"]
    if document.prefix is None:
        first = spec["offset"] or 0
        tokens = len(ids) - first
        if tokens < shortest + suffix:
            return None
        if tokens < spec["window"]:
            return Placed(document, first, list(ids[first:]))
        start = window_start(spec["seed"], document.document, len(ids), spec["window"], spec["offset"])
        return Placed(document, start, list(ids[start : start + spec["window"]]))
    begins = document.prefix
    if document.tokens is None:
        begins = next((n for n, (_, end) in enumerate(spans) if end > document.prefix), len(ids))
    if begins < shortest:
        raise UserError(
            f"{document.document}: found a prefix of {begins} tokens, allowed: at least the shortest of "
            f"samples.context_lengths, {shortest}"
        )
    if len(ids) - begins < suffix:
        raise UserError(
            f"{document.document}: found {len(ids) - begins} tokens after the prefix, allowed: at least "
            f"samples.suffix, {suffix}"
        )
    start = max(0, begins - (spec["window"] - suffix))
    return Placed(document, start, list(ids[start : begins + suffix]))


def check_tokens(document: Document, ids: Sequence[int], greatest: int) -> None:
    """Raise UserError for ids that a model's embedding has and its tokenizer has not."""
    if document.tokens is not None and ids and max(ids) > greatest:
        raise UserError(
            f"{document.document}: found token {max(ids)}, but the tokenizer has 0 to {greatest}; are these "
            "another tokenizer's?"
        )


def tell(spec: Mapping, contexts: Sequence[int], short: int, shared: int) -> None:
    """Print how many sequences were drawn, and how many were left out, of all and of each context length."""
    left_out = f"; {short} rows too short for every context length"
    print(f"{spec['kind']}: {len(contexts)} known sequences{left_out}", end="")
    print(f", {shared} left out as other draws have their text" if shared else "")
    for k in sorted(spec["context_lengths"]):
        long = sum(context >= k for context in contexts)
        print(f"  k = {k}: {long} sequences, {len(contexts) - long} of these too short for it")


def check_count(spec: Mapping, contexts: Sequence[int]) -> None:
    """Raise UserError when a context length has no sequence, or fewer are left to be fitted to than asked."""
    longest = max(contexts, default=None)
    if longest is None:
        least = min(spec["context_lengths"]) + spec["suffix"]
        raise UserError(f"corpus: found no sequence of at least {least} tokens, expected one or more")
    if (k := max(spec["context_lengths"])) > longest:
        raise UserError(
            f"samples.context_lengths: found {k}, but no sequence has so many tokens before its suffix; "
            f"allowed: at most {longest}"
        )
    if spec["kind"] == "fitted" and len(contexts) < spec["count"]:
        raise UserError(
            f"samples.fitted: found {len(contexts)} sequences, expected {spec['count']}; ask for fewer"
        )


def as_table(rows: Sequence[Placed], spec: Mapping) -> pa.Table:
    """The samples as a table."""
    documents = [row.document for row in rows]
    paddings = [spec["window"] - len(row.tokens) for row in rows]
    scores = {
        f"{PUBLISHED}{model}": pa.array([document.published[number] for document in documents], pa.float64())
        for number, model in enumerate(spec["corpus"].get("published", {}))
    }
    padded = [[PAD] * padding + row.tokens for padding, row in zip(paddings, rows, strict=True)]
    return pa.table(
        {
            "sample": pa.array(range(len(rows)), pa.int64()),
            "split": pa.array([spec["kind"]] * len(rows)),
            "document": [document.document for document in documents],
            "subset": [document.subset for document in documents],
            "offset": pa.array([row.start for row in rows], pa.int32()),
            "duplicates": pa.array([document.duplicates for document in documents], pa.int32()),
            "step": pa.nulls(len(rows), pa.int32()),
            "category": pa.array([document.category for document in documents], pa.string()),
            "padding": pa.array(paddings, pa.int32()),
            **scores,
            "tokens": token_column(padded),
        }
    )
