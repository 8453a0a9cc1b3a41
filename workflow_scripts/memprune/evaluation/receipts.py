"""Parts of a variant: its shards spread over several jobs, each of which leaves a receipt.

Blocks of rows are dealt out, not shards, so that what a part holds does not depend on what is stored: a block
that was stored before it has grown is several shards, and all of them are in the block's part.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from memprune.disk import UNREADABLE, written_whole
from memprune.errors import UserError
from memprune.evaluation.shards import SHARD_ROWS, block_count

if TYPE_CHECKING:
    import pyarrow as pa

    from memprune.evaluation.tasks import Task


def part_of(tasks: "Sequence[Task]", part: int, parts: int) -> "list[Task]":
    """The tasks with one part's shards alone: every `parts`-th block of rows, from the `part`-th (from 0).

    So each part has its share of every context length, and all take about as long.
    """
    own, first = [], 0
    for task in tasks:
        shards = [s for s in task.shards if (first + s.rows.start // SHARD_ROWS) % parts == part]
        own.append(replace(task, shards=shards))
        first += block_count(len(task.lengths))
    return own


def write_receipt(
    tasks: "Sequence[Task]", scored: "Sequence[Sequence[pa.Table]]", device: str, path: Path
) -> None:
    """Write what a part has scored, and how, as JSON.

    `device` is the class of device, `cpu` or `cuda`.
    """
    shards = [
        {
            "name": shard.name,
            "task": task.label,
            "rows": [shard.rows.start, shard.rows.stop],
            "how": {key.decode(): value.decode() for key, value in scores.schema.metadata.items()},
        }
        for task, tables in zip(tasks, scored, strict=True)
        for shard, scores in zip(task.shards, tables, strict=True)
    ]
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps({"device": device, "shards": shards}, indent=1) + "\n")


def device_of(receipts: Sequence[Path]) -> str:
    """The class of device that all parts were scored on. Raises UserError when they differ, or a receipt is
    damaged."""
    devices = set(map(read_device, receipts))
    if len(devices) > 1:
        raise UserError(
            f"evaluation.device: its parts were scored on {' and '.join(sorted(devices))}; give one of them "
            "instead of auto"
        )
    return devices.pop()


def read_device(receipt: Path) -> str:
    """The class of device in a part's receipt."""
    try:
        return json.loads(receipt.read_text())["device"]
    except UNREADABLE:
        raise UserError(f"{receipt}: damaged; delete it and run again") from None
