"""Score one variant of a model, shard by shard, and put the scores together in two tables.

Nothing here loads torch or a model: where the store has all shards, an evaluation only reads them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise, product
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from memprune.disk import written_whole
from memprune.errors import UserError
from memprune.evaluation.shards import Shard, cut_shards, passes
from memprune.store import entries
from memprune.variants.names import split_variant

SCORES = "scores.parquet"
Advance = Callable[[int], object]  # told the number of tokens of each batch


@dataclass(frozen=True)
class Task:
    """Rows that are scored alike: what identifies them, their shards, and how shards are scored.

    `lengths` are tokens a row; `score(rows, advance)` gives the scores' columns for a slice of rows.
    """

    label: str
    described: pa.Table
    shards: Sequence[Shard]
    lengths: np.ndarray
    score: Callable[[slice, Advance], dict[str, np.ndarray]]


def memorization_tasks(
    samples: pa.Table,
    context_lengths: Sequence[int],
    suffix: int,
    anchor: str,
    determinants: Mapping,
    score: Callable,
) -> list[Task]:
    """A task for each pass and split: members are cut into shards by themselves, so that more of them leave
    the others' shards as they are.

    With `anchor` suffix, each context length has a pass of its own, over the end of the samples; with prefix,
    one pass from their start serves all. `determinants` is all that scores depend on beside tokens, context
    lengths and suffix; `score(tokens, context_lengths, advance)` gives the scores' columns for rows of int32
    tokens, a row's context lengths together.
    """
    flat = samples["tokens"].combine_chunks()
    tokens = flat.flatten().to_numpy().reshape(len(samples), flat.type.list_size)
    splits = samples["split"].to_pylist()
    borders = [i for i in range(1, len(splits)) if splits[i] != splits[i - 1]]
    runs = pairwise([0, *borders, len(splits)])

    def task(lengths: list[int], start: int, stop: int) -> Task:
        window = max(lengths) + suffix
        columns = slice(0, window) if anchor == "prefix" else slice(tokens.shape[1] - window, None)
        own = np.ascontiguousarray(tokens[start:stop, columns])
        described = samples.select(["sample", "split", "subset", "document", "duplicates"]).take(
            np.repeat(np.arange(start, stop), len(lengths))
        )
        length_column = pa.array(np.tile(np.array(lengths, dtype=np.int32), len(own)))
        settings = {**determinants, "context_lengths": lengths, "suffix": suffix}
        return Task(
            f"context length {', '.join(map(str, lengths))}, {described['split'][0]}s",
            described.append_column("context_length", length_column),
            cut_shards("memorization", settings, [row.tobytes() for row in own]),
            np.full(len(own), window),
            lambda rows, advance: score(own[rows], lengths, advance),
        )

    return [task(lengths, *run) for lengths, run in product(passes(context_lengths, anchor), runs)]


def perplexity_task(windows: pa.Table, determinants: Mapping, score: Callable) -> Task:
    """The task of the perplexity windows; `score(token arrays, scored, advance)` gives the columns."""
    tokens = [np.asarray(row, dtype=np.int32) for row in windows["tokens"].to_pylist()]
    scored = windows["scored"].to_numpy()
    described = windows.select(["window", "document", "subset", "scored", "bytes", "words"])
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


def score_tasks(tasks: Sequence[Task], how: Callable[[], Mapping[str, str]]) -> list[pa.Table]:
    """The scores of each task's rows beside what identifies them, from the store where it has them."""
    scored = score_shards(tasks, how)
    return [task_scores(task, parts) for task, parts in zip(tasks, scored, strict=True)]


def score_shards(tasks: Sequence[Task], how: Callable[[], Mapping[str, str]]) -> list[list[pa.Table]]:
    """The scores of each task's shards, from the store where it has them.

    `how` tells how scores are made; it is kept with each shard and asked only when one is computed. Prints
    how many shards are stored, and the progress of the others with tokens per second and time left.
    """
    shards = [(task, shard) for task in tasks for shard in task.shards]
    missing = sum(int(task.lengths[shard.rows].sum()) for task, shard in shards if not shard.stored)
    print(f"store: {sum(shard.stored for _, shard in shards)} of {len(shards)} shards found", flush=True)
    scored = []
    with tqdm(
        total=missing,
        unit="token",
        unit_scale=True,
        mininterval=10,
        ascii=True,
        ncols=100,
        disable=missing == 0,
    ) as bar:
        for task in tasks:
            bar.set_description(task.label)
            scored.append([shard_scores(task, shard, how, bar.update) for shard in task.shards])
    return scored


def task_scores(task: Task, parts: Sequence[pa.Table]) -> pa.Table:
    """One task's scores from its shards'; metadata says how they were made, all ways if there are several."""
    metadata = all_ways(parts)
    scores = pa.concat_tables([part.replace_schema_metadata() for part in parts])
    assert len(scores) == len(task.described), (task.label, len(scores))
    joined = {name: table[name] for table in (task.described, scores) for name in table.column_names}
    return pa.table(joined).replace_schema_metadata(metadata)


def all_ways(tables: Sequence[pa.Table]) -> dict[bytes, bytes]:
    """The metadata of several tables as one: of each key all different values, as they come, between `; `."""
    ways = [table.schema.metadata or {} for table in tables]
    values: dict[bytes, list[bytes]] = {}
    for key, value in chain.from_iterable(way.items() for way in ways):
        values.setdefault(key, []).extend(value.split(b"; "))
    return {key: b"; ".join(dict.fromkeys(own)) for key, own in values.items()}


def shard_scores(task: Task, shard: Shard, how: Callable, advance: Advance) -> pa.Table:
    """The scores of one shard, computed if the store lacks it."""

    def compute(folder: Path) -> None:
        try:
            scores = pa.table(task.score(shard.rows, advance)).replace_schema_metadata(how())
        except UserError as error:
            rows = f"rows {shard.rows.start} to {shard.rows.stop - 1}"
            raise UserError(f"{task.label}, {rows}: {error}") from None
        pq.write_table(scores, folder / SCORES, compression="zstd")

    entry, _ = entries.obtain(shard.name, shard.determinants, compute)
    return pq.read_table(entry / SCORES)


def write_scores(tables: Sequence[pa.Table], model: str, variant: str, path: Path) -> None:
    """Write scores as Parquet, with model, strategy and level as first columns.

    Metadata says how they were made, all ways if there are several.
    """
    scores = pa.concat_tables(tables, promote_options="none").replace_schema_metadata(all_ways(tables))
    strategy, level = split_variant(variant)
    first = {"model": model, "strategy": strategy, "level": level}
    for position, (name, value) in enumerate(first.items()):
        scores = scores.add_column(position, name, pa.array([value] * len(scores)))
    with written_whole(path) as temporary:
        pq.write_table(scores, temporary, compression="zstd")
