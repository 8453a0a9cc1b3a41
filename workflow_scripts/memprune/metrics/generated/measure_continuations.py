"""Measure the continuations of a model's variants: a row a variant and sample, a column a metric, and texts.

A metric is a module of this package: `measure(continuation)` gives one value, None where there is none. As
far as it speaks of them, `LESS_MEMORIZED` says which way less memorization lies, `BETTER` which way better
text does: `lower` or `higher`.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pyarrow.parquet as pq

from memprune.disk import readable
from memprune.metrics.generated import (
    bleu,
    distinct_2,
    edit_distance,
    exact,
    longest_run,
    near_verbatim,
    repeated_4grams,
    rouge_l,
)
from memprune.metrics.generated.continuation import Continuation
from memprune.metrics.score_files import read

COLUMNS: dict[str, tuple[ModuleType, dict]] = {
    "rouge_l": (rouge_l, {}),
    "bleu": (bleu, {}),
    "edit_distance": (edit_distance, {}),
    "longest_run": (longest_run, {}),
    "near_verbatim_5": (near_verbatim, {"share": 0.05}),
    "near_verbatim_10": (near_verbatim, {"share": 0.1}),
    "exact": (exact, {}),
    "repeated_4grams": (repeated_4grams, {}),
    "distinct_2": (distinct_2, {}),
}
KEY = ["split", "seed", "sample"]


def measure_continuations(
    generation: Path, samples: Path, decode: Callable[[list[int]], str], output: Path
) -> None:
    """Write the measures of a file of continuations, with both texts as `continuation` and `suffix`.

    `decode` makes text of ids. Raises UserError when a file is damaged.
    """
    with readable(generation):
        table, _ = read(generation)
    with readable(samples):
        drawn = pq.read_table(samples, columns=[*KEY, "tokens"])
    continuations = list(pair_up(table, drawn, decode))
    described = table.drop_columns(["tokens"]).replace_schema_metadata()
    for name, (metric, settings) in COLUMNS.items():
        column = pa.array(map(partial(metric.measure, **settings), continuations))
        described = described.append_column(pa.field(name, column.type, metadata=directions(metric)), column)
    for name, field in (("continuation", "text"), ("suffix", "suffix_text")):
        texts = pa.array((getattr(own, field) for own in continuations), pa.string())
        described = described.append_column(name, texts)
    pq.write_table(described, output, compression="zstd")


def pair_up(
    generated: pa.Table, drawn: pa.Table, decode: Callable[[list[int]], str]
) -> Iterator[Continuation]:
    """Each continuation with the suffix of its sample."""
    windows = {tuple(row[name] for name in KEY): row["tokens"] for row in drawn.to_pylist()}
    for row in generated.select([*KEY, "tokens"]).to_pylist():
        tokens = row["tokens"]
        suffix = windows[tuple(row[name] for name in KEY)][-len(tokens) :]
        yield Continuation(tokens, suffix, decode(tokens), decode(suffix))


def directions(metric: ModuleType) -> dict[str, str]:
    """What a metric says of its directions, as its column's metadata."""
    names = ("LESS_MEMORIZED", "BETTER")
    return {name.lower(): getattr(metric, name) for name in names if hasattr(metric, name)}
