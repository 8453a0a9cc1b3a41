"""A variant's evidence: screened where that was asked for, in float32 after all where that was wrong."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from memprune.devices.choice import fast_type
from memprune.evaluation.score_shards import score_shards
from memprune.evaluation.scorer import Scorer, cannot_score
from memprune.evaluation.screened_scorer import ScreenedScorer
from memprune.evaluation.screening import CONTRADICTED
from memprune.evaluation.tasks import Task
from memprune.evaluation.variant import Variant, variant_tasks


@dataclass(frozen=True)
class ScoredVariant:
    """The tasks of a variant, the evidence of each one's shards, and the store's entries behind that."""

    tasks: Sequence[Task]
    scored: Sequence[Sequence[pa.Table]]
    names: Sequence[str]


def score_variant(
    variant: Variant,
    device: str,
    threads: int,
    own: Callable[[list[Task]], list[Task]] = list,
    by_parts: bool = False,
) -> ScoredVariant:
    """Score a variant's shards that the store lacks, on a class of device, `cpu` or `cuda`.

    `own` chooses tasks, those of a part. `by_parts` says that parts have scored them all: then nothing is,
    but where samples are screened, since parts may have been contradicted, or have run where the fast type
    is another. One contradiction of what was screened, and the variant is scored in float32.
    """
    exact, asked = Scorer(variant, device, threads), variant.spec.get("screened_in")
    fast = fast_type(asked, device)
    if asked and not fast:
        print(f"screening: this machine is no faster in {asked}, so all is scored in float32", flush=True)
    suffixes = ScreenedScorer(exact, fast).suffixes if fast else exact.suffixes
    how_scored = (cannot_score, cannot_score) if by_parts and not asked else (suffixes, exact.windows)
    tasks = own(variant_tasks(variant, device, *how_scored))
    first = ScoredVariant(tasks, score_shards(tasks), names_of(tasks))
    if not any(is_contradicted(shard) for shards in first.scored for shard in shards):
        return first
    print(
        f"screening: float32 contradicts what {fast} had settled, so the whole variant is scored in float32",
        flush=True,
    )
    unscreened = replace(variant, spec={**variant.spec, "screened_in": None})
    tasks = own(variant_tasks(unscreened, device, exact.suffixes, exact.windows))
    scored = [
        list(with_outcome(shards, screened))
        for shards, screened in zip(score_shards(tasks), first.scored, strict=True)
    ]
    return ScoredVariant(tasks, scored, [*first.names, *names_of(tasks)])


def names_of(tasks: Sequence[Task]) -> list[str]:
    """The names of all shards' entries in the store."""
    return [shard.name for task in tasks for shard in task.shards]


def is_contradicted(shard: pa.Table) -> bool:
    """Whether float32 has contradicted the screening of a shard."""
    return "screened" in shard.column_names and pc.any(pc.equal(shard["screened"], CONTRADICTED)).as_py()


def with_outcome(exact: Sequence[pa.Table], screened: Sequence[pa.Table]) -> Iterator[pa.Table]:
    """A task's shards in float32, with what had become of their rows when they were screened."""
    if not screened or "screened" not in screened[0].column_names:
        yield from exact
        return
    outcome, start = pa.chunked_array([chunk for table in screened for chunk in table["screened"].chunks]), 0
    for table in exact:
        dtype = pa.repeat(table.schema.metadata[b"compute_dtype"].decode(), len(table))
        own = outcome.slice(start, len(table))
        yield table.append_column("screened", own).append_column("compute_dtype", dtype)
        start += len(table)
