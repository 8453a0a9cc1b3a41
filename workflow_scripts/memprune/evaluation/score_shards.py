"""The evidence of a variant's shards: read from the store where it has them, else scored and kept there."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from memprune.errors import UserError
from memprune.evaluation.columns import write_evidence
from memprune.evaluation.shards import Shard
from memprune.evaluation.tasks import Advance, Task
from memprune.store import entries

EVIDENCE = "evidence.parquet"


def score_shards(tasks: Sequence[Task]) -> list[list[pa.Table]]:
    """The evidence of each task's shards; the metadata of each table says how it was made.

    Prints how many shards are stored, and the progress of the others with tokens per second and time left.
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
            scored.append([shard_evidence(task, shard, bar.update) for shard in task.shards])
    return scored


def shard_evidence(task: Task, shard: Shard, advance: Advance) -> pa.Table:
    """The evidence of one shard, scored if the store lacks it."""

    def compute(folder: Path) -> None:
        try:
            evidence = task.score(shard.rows, advance)
        except UserError as error:
            rows = f"rows {shard.rows.start} to {shard.rows.stop - 1}"
            raise UserError(f"{task.label}, {rows}: {error}") from None
        write_evidence(evidence, folder / EVIDENCE)

    entry, _ = entries.obtain(shard.name, shard.determinants, compute)
    with entries.explained():
        return pq.read_table(entry / EVIDENCE)
