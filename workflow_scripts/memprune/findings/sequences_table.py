"""How many known sequences each context length has, and how many rows were too short for it."""

import json
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from memprune.disk import readable


def sequences_table(samples: Path, members: pd.DataFrame) -> pd.DataFrame:
    """The members of each seed by context length.

    `samples` is the file of samples, `members` are their measures. Columns: seed, context_length, rows (that
    were read), sequences (that are scored at it), too_short (that are not). Raises UserError for a damaged
    file.
    """
    with readable(samples):
        short = json.loads(pq.read_schema(samples).metadata[b"too_short"])
    distinct = members.drop_duplicates(["seed", "sample", "context_length"])
    drawn = distinct.groupby("seed")["sample"].nunique()
    table = distinct.groupby(["seed", "context_length"]).size().rename("sequences").reset_index()
    rows = table.seed.map(drawn) + table.seed.astype(str).map(short).astype(int)
    return table.assign(rows=rows, too_short=rows - table.sequences)[
        ["seed", "context_length", "rows", "sequences", "too_short"]
    ]
