"""Texts that a variant is scored on beside samples and perplexity windows, by their kind.

A file of texts is Parquet: `tokens` (a list of int32 a row) and what identifies a row, whose last `scored`
tokens count, or all but the first where there is no such column. Its metadata has the `tokenizer`'s
fingerprint.
"""

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from memprune.corpus.drawn import filling, read_drawn
from memprune.evaluation.columns import list_column
from memprune.evaluation.fit import check_ids, check_texts, check_tokenizer
from memprune.evaluation.scorer import Scorer
from memprune.evaluation.shards import cut_shards
from memprune.evaluation.tasks import IDENTIFYING, Advance, Task
from memprune.evaluation.text_kinds import KINDS
from memprune.evaluation.variant import ABOUT, Variant, determinants_of
from memprune.store import entries


def text_tasks(
    variant: Variant,
    kind: str,
    device: str,
    score: Callable[[list[np.ndarray], np.ndarray, Advance], pa.Table],
) -> list[Task]:
    """A task for each of the variant's files of texts, of one kind.

    `device` is the class of device that scores are for, `cpu` or `cuda`; `score(token arrays, scored,
    advance)` is called when a shard is scored. Raises UserError when texts do not fit the model, and for a
    damaged file.
    """
    determinants = determinants_of(variant, device, KINDS[kind].module)
    return [text_task(variant, kind, path, determinants, score) for path in variant.texts]


def score_rows(
    scorer: Scorer, kind: str, tokens: list[np.ndarray], scored: np.ndarray, advance: Advance
) -> pa.Table:
    """A kind's evidence for texts of it."""
    from memprune.scoring.forced_pass import score_texts

    measure = getattr(import_module(KINDS[kind].module), KINDS[kind].function)
    work = partial(score_texts, scorer.placed.model, tokens, scored, measure)
    found = scorer.placed.within_memory(work, max(map(len, tokens)), advance)
    lists = map(list_column, zip(*found, strict=True))
    return scorer.told(dict(zip(KINDS[kind].columns, lists, strict=True)))


def text_task(
    variant: Variant, kind: str, path: Path, determinants: Mapping, score: Callable[..., pa.Table]
) -> Task:
    """The task of one file of texts."""
    entries.content(path)  # verified before it is read
    table = of_no_method(read_drawn(path, about=ABOUT))
    check_tokenizer(table.schema.metadata[b"tokenizer"].decode(), variant.manifest.tokenizer)
    check_ids(table, variant.manifest.vocabulary)
    tokens = [np.asarray(row, dtype=np.int32) for row in table["tokens"].to_pylist()]
    lengths = np.array([len(row) for row in tokens])
    if (positions := variant.manifest.architecture.positions) is not None:
        check_texts(kind, int(lengths.max()) - 1, positions)
    scored = table["scored"].to_numpy() if "scored" in table.column_names else lengths - 1
    rows = [t.tobytes() + int(s).to_bytes(4, "little") for t, s in zip(tokens, scored, strict=True)]
    return Task(
        f"{kind}, {path.stem}",
        described(table, scored),
        cut_shards(kind, determinants, rows),
        lengths,
        lambda chosen, advance: score(tokens[chosen], scored[chosen], advance),
    )


def of_no_method(table: pa.Table) -> pa.Table:
    """The texts but samples that methods may be fitted to, on which memorization alone is measured, and known
    sequences that are too short for the longest context."""
    return filling(table.filter(pc.field("split") != "fitted")) if "split" in table.column_names else table


def described(table: pa.Table, scored: np.ndarray) -> pa.Table:
    """What identifies the rows of a file of texts; `tokens` is how many of each are scored."""
    samples = "split" in table.column_names
    names = (
        [n for n in (*IDENTIFYING, "context_length", "share") if n in table.column_names]
        if samples
        else [n for n in table.column_names if n not in ("tokens", "scored", "doc")]
    )
    return table.select(names).append_column("tokens", pa.array(scored.astype(np.int32)))
