"""Results as data frames, their columns and order; what cannot be read, or lacks a column, is a UserError."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from memprune.disk import readable
from memprune.variants.names import level_text

# What identifies a variant in measures and tables, and what it achieved; then what identifies its samples.
# The target is null where the level was given, not found.
VARIANT = ["model", "strategy", "level", "target", "sparsity", "removed", "variant_bytes"]
SAMPLE = ["sample", "split", "seed", "pooled", "document", "subset", "duplicates", "context_length"]
# What became of a row that was screened, null where it was not, and the type that it was computed in.
COMPUTED = ["screened", "compute_dtype"]
DESCRIBED = [*VARIANT, *SAMPLE, *COMPUTED]
# Texts, even where one is called 007, 1e5 or NA.
NAMES = (
    "model", "strategy", "target", "role", "first", "second", "first_of", "second_of", "subset", "stratum",
    "feature", "category", "of", "set", "metric", "score", "dataset", "data_split", "revision", "document",
)  # fmt: skip


def read_parquet(path: Path) -> pd.DataFrame:
    """A Parquet file. Raises UserError when it is damaged."""
    with readable(path):
        return pd.read_parquet(path)


def read_csv(path: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """These columns of a table, None for all. Raises UserError when it is damaged or lacks one."""
    texts = dict.fromkeys(NAMES, str)
    with readable(path):
        return pd.read_csv(path, usecols=columns, dtype=texts, keep_default_na=False, na_values=[""])


def in_order(measures: pd.DataFrame, models: Sequence[str], strategies: Sequence[str]) -> pd.DataFrame:
    """Measures with model and strategy as ordered categories, so that every table keeps the given order.

    The target is of pandas' own type for texts, under which nothing but null is a missing one.
    """
    return measures.astype({"target": "string"}).assign(
        model=pd.Categorical(measures.model, models, ordered=True),
        strategy=pd.Categorical(measures.strategy, ["dense", *strategies], ordered=True),
    )


def level_label(table: pd.DataFrame) -> pd.Series:
    """What was asked of each row's variant, as text: rows of one label are at the same level.

    It is the target where the level was found, else the level.
    """
    return table.target.where(table.target.notna(), table.level.map(level_text))


def variant_label(table: pd.DataFrame) -> pd.Series:
    """The name of each row's variant, as paths have it: `dense`, or a strategy and its level."""
    names = table.strategy.astype(str) + "@" + level_label(table)
    return names.where(table.strategy != "dense", "dense")
