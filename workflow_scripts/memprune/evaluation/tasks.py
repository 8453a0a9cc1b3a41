"""A variant's tasks: which rows are scored in which way, and the shards that they are cut into.

Nothing here loads torch or a model.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
import pyarrow as pa

from memprune.corpus.drawn import as_array, paddings
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
    others' shards as they are. Known sequences that are too short for a context length are left out of it.

    With `anchor` suffix, each context length has a pass of its own, over the end of the samples; with prefix,
    one pass from their start serves all. `determinants` is all that evidence depends on beside tokens,
    context lengths and suffix; `score(tokens, context_lengths, advance)` gives the evidence for rows of int32
    tokens, a row's context lengths together.
    """
    tokens, padding = as_array(samples["tokens"]), paddings(samples)
    drawn = list(zip(samples["split"].to_pylist(), samples["seed"].to_pylist(), strict=True))
    borders = [i for i in range(1, len(drawn)) if drawn[i] != drawn[i - 1]]
    runs = pairwise([0, *borders, len(drawn)])
    contexts = tokens.shape[1] - suffix - padding

    def tasks(lengths: list[int], start: int, stop: int) -> Iterator[Task]:
        run = np.arange(start, stop)
        fitting = np.searchsorted(sorted(lengths), contexts[run], side="right")
        for count in sorted(set(fitting.tolist()) - {0}, reverse=True):
            yield task(of_shortest(lengths, count), run[fitting == count])

    def task(lengths: list[int], rows: np.ndarray) -> Task:
        own = tokens_of_pass(tokens[rows], lengths, suffix, anchor, padding[rows])
        described = samples.select(IDENTIFYING).take(np.repeat(rows, len(lengths)))
        length_column = pa.array(np.tile(np.array(lengths, dtype=np.int32), len(own)))
        settings = {**determinants, "context_lengths": lengths, "suffix": suffix}
        split, seed = drawn[rows[0]]
        return Task(
            f"context length {', '.join(map(str, lengths))}, {split}s of seed {seed}",
            described.append_column("context_length", length_column),
            cut_shards("memorization", settings, [row.tobytes() for row in own]),
            np.full(len(own), own.shape[1]),
            lambda rows, advance: score(own[rows], lengths, advance),
        )

    pairs = product(passes(context_lengths, anchor), runs)
    return [own for lengths, run in pairs for own in tasks(lengths, *run)]


def of_shortest(lengths: Sequence[int], count: int) -> list[int]:
    """The `count` shortest of some context lengths, in their order."""
    longest = sorted(lengths)[count - 1]
    return [length for length in lengths if length <= longest]


def tokens_of_pass(
    tokens: np.ndarray, lengths: Sequence[int], suffix: int, anchor: str, padding: np.ndarray | None = None
) -> np.ndarray:
    """What one pass over samples is given: the tokens of its longest context and of the suffix.

    `padding` is how many tokens in front of each sample are none of it: less than would leave too few.
    """
    window = max(lengths) + suffix
    if anchor == "suffix":
        return np.ascontiguousarray(tokens[:, tokens.shape[1] - window :])
    first = np.zeros(len(tokens), np.int32) if padding is None else padding
    return np.take_along_axis(tokens, first[:, None] + np.arange(window), axis=1)


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
