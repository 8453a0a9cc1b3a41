"""A variant's score files, put together from the evidence of its shards."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa

from memprune.disk import written_whole
from memprune.evaluation.columns import write_evidence
from memprune.evaluation.tasks import Task
from memprune.variants.achieved import Achieved
from memprune.variants.names import split_variant


def write_scores(
    tasks: Sequence[Task],
    scored: Sequence[Sequence[pa.Table]],
    model: str,
    variant: str,
    level: float,
    reached: Achieved,
    path: Path,
) -> None:
    """Write the evidence of some tasks, `scored` shard by shard, beside what identifies the rows.

    First columns are model, strategy, level and target, the label of a level that was found, else null. The
    file's metadata tells what the variant has achieved and how each shard was scored, as JSON: `achieved`,
    and `shards`, a list in the order of the rows.
    """
    shards = [table for tables in scored for table in tables]
    evidence = pa.concat_tables(table.replace_schema_metadata() for table in shards)
    described = pa.concat_tables(task.described for task in tasks)
    assert len(evidence) == len(described), (len(evidence), len(described))
    strategy, asked = split_variant(variant)
    target = asked if isinstance(asked, str) else None
    first = {"model": model, "strategy": strategy, "level": level, "target": pa.scalar(target, pa.string())}
    columns = {name: pa.repeat(value, len(described)) for name, value in first.items()}
    columns |= {name: part[name] for part in (described, evidence) for name in part.column_names}
    about = {
        "achieved": json.dumps(asdict(reached)),
        "shards": json.dumps([{"rows": len(table), **how(table)} for table in shards]),
    }
    with written_whole(path) as temporary:
        write_evidence(pa.table(columns, metadata=about), temporary)


def how(shard: pa.Table) -> dict[str, str]:
    """How a shard was scored, as its metadata tells it."""
    return {key.decode(): value.decode() for key, value in shard.schema.metadata.items()}
