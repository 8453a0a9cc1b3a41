"""The tables as data for the page, the paper's layout first."""

from collections.abc import Sequence

import pandas as pd

from memprune.findings.how_to_read import HOW_TO_READ
from memprune.findings.strategy_methods import ALL_PRUNE, Methods
from memprune.report.blobs import blob, columns
from memprune.report.layout_cells import layout_cells
from memprune.results import Results

LAYOUT = "paper_layout"
BYTES = 100_000  # of one table, compressed: about as many as the page holds of it
WITHOUT_FILTERS = ("published",)  # its models and strategies are named as their sources name them


def report_tables(
    own: Results, models: Sequence[str], strategies: Sequence[str], methods: Methods = ALL_PRUNE
) -> dict:
    """`layout`, the cells of the paper's layout (see `layout_cells`), and `tables`, a list of all others.

    A table has its `name` and `file`, `how_to_read` it, its `frame`, how many `rows` its file has, and
    whether the page's filters apply to it (`filtered`).
    """
    controls = [model for model in own.models if model not in models]
    cells = layout_cells(own.tables, [*models, *controls], strategies, methods)
    return {
        "layout": {
            "files": [f"tables/{LAYOUT}.parquet", "tables/paired.csv", "tables/verdicts.csv"],
            "how_to_read": HOW_TO_READ[LAYOUT],
            "frame": columns(cells),
        },
        "tables": [
            entry(name, own.tables[name]) for name in HOW_TO_READ if name in own.tables and name != LAYOUT
        ],
    }


def entry(name: str, table: pd.DataFrame) -> dict:
    """A table as the page has it."""
    return {
        "name": name,
        "file": f"tables/{name}.csv",
        "how_to_read": HOW_TO_READ[name],
        "frame": columns(bounded(table)),
        "rows": len(table),
        "filtered": name not in WITHOUT_FILTERS,
    }


def bounded(table: pd.DataFrame) -> pd.DataFrame:
    """So many rows as the page may hold, in their order: those of the longest context lengths first."""
    size = len(blob(columns(table)))
    if size <= BYTES:
        return table
    rows = len(table) * BYTES // size
    if "context_length" in table:
        longest = table.context_length.rank(ascending=False, method="first", na_option="top")
        return table[longest <= rows]
    return table.head(rows)
