"""A variant's score files, put together from the evidence of its shards."""

import json
from collections.abc import Mapping, Sequence
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

    First columns are model, strategy, level and target. The file's metadata tells what the variant has
    achieved and how each shard was scored, as JSON: `achieved`, and `shards`, in the order of the rows.
    """
    table = beside_rows(variant_columns(model, variant, level), tasks, scored)
    write_table(table, scored, {"achieved": json.dumps(asdict(reached))}, path)


def variant_columns(model: str, variant: str, level: float) -> dict[str, object]:
    """What names a variant in each row; `target` is the label of a level that was found, else null."""
    strategy, asked = split_variant(variant)
    target = asked if isinstance(asked, str) else None
    return {"model": model, "strategy": strategy, "level": level, "target": pa.scalar(target, pa.string())}


def beside_rows(
    first: Mapping[str, object], tasks: Sequence[Task], scored: Sequence[Sequence[pa.Table]]
) -> pa.Table:
    """The evidence of some tasks behind what identifies the rows; `first` are columns of one value each."""
    evidence = pa.concat_tables(table.replace_schema_metadata() for tables in scored for table in tables)
    described = pa.concat_tables(task.described for task in tasks)
    assert len(evidence) == len(described), (len(evidence), len(described))
    columns = {name: pa.repeat(value, len(described)) for name, value in first.items()}
    columns |= {name: part[name] for part in (described, evidence) for name in part.column_names}
    return pa.table(columns)


def write_table(
    table: pa.Table, scored: Sequence[Sequence[pa.Table]], about: Mapping[str, str], path: Path
) -> None:
    """Write a table of evidence; its metadata tells how each shard was scored, and `about`."""
    shards = [{"rows": len(shard), **how(shard)} for shards in scored for shard in shards]
    with written_whole(path) as temporary:
        write_evidence(table.replace_schema_metadata({**about, "shards": json.dumps(shards)}), temporary)


def how(shard: pa.Table) -> dict[str, str]:
    """How a shard was scored, as its metadata tells it."""
    return {key.decode(): value.decode() for key, value in shard.schema.metadata.items()}
