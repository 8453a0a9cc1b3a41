"""A variant's tasks: which rows are scored in which way, and the shards that they are cut into.

Nothing here loads torch or a model.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
import pyarrow as pa

from memprune.corpus.drawn import as_array
from memprune.evaluation.shards import Shard, cut_shards, passes

Advance = Callable[[int], object]  # told the number of tokens of each batch
WINDOW = ["window", "document", "subset", "scored", "bytes", "words"]
IDENTIFYING = ["sample", "split", "seed", "pooled", "subset", "document", "duplicates"]


@dataclass(frozen=True)
class Task:
    """Rows that are scored alike: what identifies them, their shards, and how shards are scored.

    `lengths` are tokens a row; `score(rows, advance)` gives the evidence for a slice of rows, a table whose
    metadata says how it was made.
    """

    label: str
    described: pa.Table
    shards: Sequence[Shard]
    lengths: np.ndarray
    score: Callable[[slice, Advance], pa.Table]


def memorization_tasks(
    samples: pa.Table,
    context_lengths: Sequence[int],
    suffix: int,
    anchor: str,
    determinants: Mapping,
    score: Callable[[np.ndarray, Sequence[int], Advance], pa.Table],
) -> list[Task]:
    """A task for each pass, split and seed: each is cut into shards by itself, so that more of one leave the
    others' shards as they are.

    With `anchor` suffix, each context length has a pass of its own, over the end of the samples; with prefix,
    one pass from their start serves all. `determinants` is all that evidence depends on beside tokens,
    context lengths and suffix; `score(tokens, context_lengths, advance)` gives the evidence for rows of int32
    tokens, a row's context lengths together.
    """
    tokens = as_array(samples["tokens"])
    drawn = list(zip(samples["split"].to_pylist(), samples["seed"].to_pylist(), strict=True))
    borders = [i for i in range(1, len(drawn)) if drawn[i] != drawn[i - 1]]
    runs = pairwise([0, *borders, len(drawn)])

    def task(lengths: list[int], start: int, stop: int) -> Task:
        own = tokens_of_pass(tokens[start:stop], lengths, suffix, anchor)
        described = samples.select(IDENTIFYING).take(np.repeat(np.arange(start, stop), len(lengths)))
        length_column = pa.array(np.tile(np.array(lengths, dtype=np.int32), len(own)))
        settings = {**determinants, "context_lengths": lengths, "suffix": suffix}
        split, seed = drawn[start]
        return Task(
            f"context length {', '.join(map(str, lengths))}, {split}s of seed {seed}",
            described.append_column("context_length", length_column),
            cut_shards("memorization", settings, [row.tobytes() for row in own]),
            np.full(len(own), own.shape[1]),
            lambda rows, advance: score(own[rows], lengths, advance),
        )

    return [task(lengths, *run) for lengths, run in product(passes(context_lengths, anchor), runs)]


def tokens_of_pass(tokens: np.ndarray, lengths: Sequence[int], suffix: int, anchor: str) -> np.ndarray:
    """What one pass over samples is given: the tokens of its longest context and of the suffix."""
    window = max(lengths) + suffix
    columns = slice(0, window) if anchor == "prefix" else slice(tokens.shape[1] - window, None)
    return np.ascontiguousarray(tokens[:, columns])


def perplexity_task(
    windows: pa.Table,
    determinants: Mapping,
    score: Callable[[list[np.ndarray], np.ndarray, Advance], pa.Table],
) -> Task:
    """The task of the perplexity windows; `score(token arrays, scored, advance)` gives the evidence."""
    tokens = [np.asarray(row, dtype=np.int32) for row in windows["tokens"].to_pylist()]
    scored = windows["scored"].to_numpy()
    described = windows.select(WINDOW)
    return Task(
        "perplexity windows",
        described.rename_columns({"scored": "tokens"}),
        cut_shards(
            "perplexity",
            determinants,
            [t.tobytes() + s.tobytes() for t, s in zip(tokens, scored, strict=True)],
        ),
        np.array([len(row) for row in tokens]),
        lambda rows, advance: score(tokens[rows], scored[rows], advance),
    )
