"""A variant's continuations: which samples are continued, and the table of what came of it."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from memprune.corpus.drawn import as_array, filling, read_drawn
from memprune.evaluation.columns import lists_of_one_length
from memprune.evaluation.evaluate import beside_rows, variant_columns
from memprune.evaluation.score_shards import score_shards
from memprune.evaluation.scorer import Scorer
from memprune.evaluation.shards import cut_shards
from memprune.evaluation.tasks import IDENTIFYING, Advance, Task
from memprune.evaluation.variant import ABOUT, Variant, check_fit, determinants_of
from memprune.store import entries
from memprune.variants.achieved import achieved, level_of


def generate(
    variant: Variant, model: str, device: str, threads: int
) -> tuple[pa.Table, list[list[pa.Table]], list[str]]:
    """A variant's continuations, with the shards of each task and the names of their entries in the store.

    A row a sample: what names the variant, what it has achieved, what identifies the sample, and `tokens`.
    Raises UserError when samples do not fit the model, for a damaged file, and what decoding raises.
    """
    scorer = Scorer(variant, device, threads)
    tasks = generation_tasks(variant, device, partial(continue_rows, scorer))
    scored = score_shards(tasks)
    level, reached = level_of(variant.name, variant.changes), achieved(variant.manifest, variant.changes)
    first = variant_columns(model, variant.name, level) | asdict(reached)
    return beside_rows(first, tasks, scored), scored, [shard.name for task in tasks for shard in task.shards]


def continue_rows(scorer: Scorer, tokens: np.ndarray, advance: Advance) -> pa.Table:
    """What `continue_suffixes` gives for rows of tokens."""
    from memprune.scoring.continuations import continue_suffixes

    work = partial(continue_suffixes, scorer.placed.model, tokens, scorer.variant.spec["suffix"])
    written = scorer.placed.within_memory(work, tokens.shape[1], advance)
    return scorer.told({"tokens": lists_of_one_length(written)})


def generation_tasks(
    variant: Variant, device: str, continue_rows: Callable[[np.ndarray, Advance], pa.Table]
) -> list[Task]:
    """A task for the first members of a seed, and one for its first non-members.

    Each is cut into shards by itself, so that more of them leave the others as they are. How many is in the
    variant's `spec`, with `seed`, `context_length` and `suffix`. `continue_rows(tokens, advance)` gives the
    evidence for rows of int32 tokens, context and suffix.
    """
    for path in (*variant.changes, variant.samples):
        entries.content(path)  # verified before it is read
    samples = read_drawn(variant.samples, IDENTIFYING, ABOUT)
    check_fit(variant, samples)
    own = determinants_of(variant, device, "memprune.scoring.continuations")
    determinants = {**own, "suffix": variant.spec["suffix"]}
    return [
        generation_task(samples, split, variant.spec, determinants, continue_rows)
        for split in ("member", "non_member")
    ]


def generation_task(
    samples: pa.Table,
    split: str,
    spec: Mapping,
    determinants: Mapping,
    continue_rows: Callable[..., pa.Table],
) -> Task:
    """The task of the first samples of a split that are long enough for the longest context."""
    drawn = (pc.field("split") == split) & (pc.field("seed") == spec["seed"])
    chosen = filling(samples.filter(drawn)).slice(0, spec["samples"])
    tokens = as_array(chosen["tokens"])
    assert tokens.shape[1] == spec["context_length"] + spec["suffix"], (tokens.shape, spec)
    context_length = pa.repeat(pa.scalar(spec["context_length"], pa.int32()), len(chosen))
    return Task(
        f"continuations of {split}s of seed {spec['seed']}",
        chosen.select(IDENTIFYING).append_column("context_length", context_length),
        cut_shards("generation", determinants, [row.tobytes() for row in tokens]),
        np.full(len(tokens), tokens.shape[1]),
        lambda rows, advance: continue_rows(tokens[rows], advance),
    )
