"""Draw samples: fixed windows of tokens from members and non-members, and perplexity windows.

Everything is decided by hashes of the seed and a document's name, so a draw is the same on every machine, and
asking for more keeps what was drawn before.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import chain, zip_longest

import pyarrow as pa
from transformers import PreTrainedTokenizerFast

from memprune.corpus.document_windows import encoded, first_windows, progress, token_column
from memprune.corpus.documents import Document
from memprune.corpus.draw_concatenated import draw_concatenated
from memprune.corpus.draw_sequences import draw_sequences
from memprune.corpus.draw_text import KINDS, draw_text
from memprune.corpus.taken import Taken
from memprune.errors import UserError
from memprune.models.tokenization import prefix_token

RUN_STARTS = re.compile(r"(?<!\s)\s")
NOTHING = Taken()
PLURALS = {"member": "members", "non_member": "non_members", "fitted": "fitted"}  # as the configuration says


def balanced(documents: Iterable[Document]) -> Iterator[Document]:
    """The documents in turn from each number of duplicates, ascending, each in the order given.

    Documents whose number nobody counted are left out. Raises UserError when that is all of them.
    """
    groups: dict[int | None, list[Document]] = defaultdict(list)
    for document in documents:
        groups[document.duplicates].append(document)
    unknown = len(groups.pop(None, []))
    if unknown and not groups:
        raise UserError(
            f"samples.balance_duplicates: found true, but none of {unknown} documents has meta.duplicates: "
            "how often it stands in the training data; leave it out"
        )
    if unknown:
        print(f"{unknown} documents left out, which do not tell how often they stand in the training data")
    in_turn = zip_longest(*(groups[duplicates] for duplicates in sorted(groups)))
    return (document for document in chain.from_iterable(in_turn) if document is not None)


def every_second(documents: Iterable[Document], place: int) -> Iterator[Document]:
    """The first (`place` 0) or the second (1) of every two documents with the same number of duplicates.

    So two draws from one order share no document, and neither has more of what stands often in the training
    data; more of the one leaves the other as it is.
    """
    seen: Counter[int | None] = Counter()
    for document in documents:
        if seen[document.duplicates] % 2 == place:
            yield document
        seen[document.duplicates] += 1


def draw(
    documents: Iterable[Document], tokenizer: PreTrainedTokenizerFast, spec: dict, taken: Taken = NOTHING
) -> pa.Table:
    """The table of one draw, of the kind that `spec` names: member, fitted, non_member, calibration,
    retraining, perplexity or concatenated.

    `documents` come in the order of the draw; `spec` has how many samples or windows are drawn (`count`; at
    most so many `windows` of concatenated text), of how many tokens (`window`), where windows start
    (`offset`), and the seed; `every_second`, where members share their order with samples that are fitted to.
    What is `taken` by other draws is in none of samples and text for methods.
    """
    documents = (document for document in documents if document.document not in taken.documents)
    kind, window = spec["kind"], spec["window"]
    if kind == "concatenated":
        return draw_concatenated(documents, tokenizer, window, spec["windows"])
    if kind == "perplexity":
        return draw_windows(documents, tokenizer, window, spec["count"])
    if kind in KINDS:
        return draw_text(documents, tokenizer, kind, window, spec["count"], spec["seed"], taken)
    if "every_second" in spec:
        documents = every_second(documents, spec["every_second"])
    if spec.get("balance_duplicates"):
        documents = balanced(documents)
    if spec.get("known"):
        return draw_sequences(documents, tokenizer, spec, taken)
    return draw_samples(
        documents, tokenizer, window, spec["count"], spec["seed"], kind, spec["offset"], taken
    )


def draw_samples(
    documents: Iterable[Document],
    tokenizer: PreTrainedTokenizerFast,
    window: int,
    count: int,
    seed: int,
    split: str,
    offset: int | None = None,
    taken: Taken = NOTHING,
) -> pa.Table:
    """One window of `window` tokens from each of the first `count` documents that are long enough.

    The window starts at `offset`; None: where the seed and the document's name say. Columns: sample, split,
    document, subset, offset (tokens), duplicates (null where nobody counted), step (of training, null for
    texts), tokens (fixed-size list of int32). Prints what was drawn and how many documents were too short.
    Raises UserError when there are too few documents, with the number found.
    """
    rows, skipped = first_windows(documents, tokenizer, window, count, seed, offset, PLURALS[split], taken)
    print(f"{split}: {len(rows)} samples; {skipped}")
    for what in ("subset", "duplicates"):
        drawn = Counter(getattr(document, what) for document, _, _ in rows)
        known = sorted(key for key in drawn if key is not None)
        unknown = [f"not counted: {drawn[None]}"] if drawn[None] else []
        print(f"  by {what}: " + ", ".join([f"{key}: {drawn[key]}" for key in known] + unknown))
    if len(rows) < count:
        raise UserError(
            f"samples.{PLURALS[split]}: found {len(rows)} documents of at least {window} tokens, expected "
            f"{count}; ask for fewer, or for shorter context lengths"
        )
    return pa.table(
        {
            "sample": pa.array(range(count), pa.int64()),
            "split": pa.array([split] * count),
            "document": [document.document for document, _, _ in rows],
            "subset": [document.subset for document, _, _ in rows],
            "offset": pa.array([start for _, start, _ in rows], pa.int32()),
            "duplicates": pa.array([document.duplicates for document, _, _ in rows], pa.int32()),
            "step": pa.array([document.step for document, _, _ in rows], pa.int32()),
            "tokens": token_column([ids for _, _, ids in rows]),
        }
    )


WINDOWS_SCHEMA = pa.schema(
    {
        "window": pa.int64(),
        "document": pa.string(),
        "subset": pa.string(),
        "tokens": pa.list_(pa.int32()),
        "scored": pa.int32(),
        "bytes": pa.int32(),
        "words": pa.int32(),
    }
)


def draw_windows(
    documents: Iterable[Document], tokenizer: PreTrainedTokenizerFast, window: int, count: int
) -> pa.Table:
    """The first `count` perplexity windows: every token of a document is scored once, in windows of `window`.

    The windows are those of lm-evaluation-harness: a document's first has one token as context, the
    beginning of text or, if the tokenizer has none, its end; each other the last token of the window before,
    and the last one is filled up with as many tokens of context as `window` leaves room for. A document
    without tokens has no window. Columns: window, document, subset, tokens (list of int32, at most
    `window` + 1), scored (how many tokens at the window's end are scored), bytes and words of the scored
    text. Words are counted as lm-evaluation-harness does (runs of white space plus one for each document);
    over a document's windows bytes and words add up to the document's. Raises UserError when there are too
    few windows.
    """
    first = prefix_token(tokenizer)
    rows = []
    bar = progress("perplexity", count, "window")
    for read, (document, ids, spans) in enumerate(encoded(documents, tokenizer), start=1):
        with_context = [first, *ids]
        begins = 0
        for start in range(0, len(ids), window):
            end = min(start + window, len(ids))
            ends = max(begins, spans[end][0]) if end < len(ids) else len(document.text)
            rows.append(
                {
                    "document": document.document,
                    "subset": document.subset,
                    "tokens": with_context[max(0, end - window) : end + 1],
                    "scored": end - start,
                    "bytes": len(document.text[begins:ends].encode()),
                    "words": count_spaces(document.text, begins, ends) + (start == 0),
                }
            )
            begins = ends
        bar.set_postfix(documents=read, refresh=False)
        bar.update(min(len(rows), count) - bar.n)
        if len(rows) >= count:
            break
    bar.close()
    if len(rows) < count:
        raise UserError(
            f"samples.perplexity_windows: found {len(rows)} windows of at most {window} tokens, "
            f"expected {count}; ask for fewer"
        )
    rows = [{"window": number, **row} for number, row in enumerate(rows[:count])]
    print(f"perplexity: {count} windows, {sum(row['scored'] for row in rows)} tokens scored")
    return pa.Table.from_pylist(rows, WINDOWS_SCHEMA)


def count_spaces(text: str, begins: int, ends: int) -> int:
    """How many of the text's runs of white space start at characters `begins` to `ends`."""
    return sum(1 for _ in RUN_STARTS.finditer(text, begins, ends))
