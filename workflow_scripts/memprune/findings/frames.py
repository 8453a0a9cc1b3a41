"""Results as data frames, their columns and order; what cannot be read, or lacks a column, is a UserError."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from memprune.disk import readable

# What identifies a variant in measures and tables, and what it achieved; then what identifies its samples.
VARIANT = ["model", "strategy", "level", "sparsity", "removed", "variant_bytes"]
DESCRIBED = [*VARIANT, "sample", "split", "document", "subset", "duplicates", "context_length"]
NAMES = ("model", "strategy", "first", "second", "role")  # texts, even where a model is called 007, 1e5 or NA


def read_parquet(path: Path) -> pd.DataFrame:
    """A Parquet file. Raises UserError when it is damaged."""
    with readable(path):
        return pd.read_parquet(path)


def read_csv(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """These columns of a table. Raises UserError when it is damaged or lacks one."""
    texts = {column: str for column in columns if column in NAMES}
    with readable(path):
        return pd.read_csv(path, usecols=list(columns), dtype=texts, keep_default_na=False, na_values=[""])


def in_order(measures: pd.DataFrame, models: Sequence[str], strategies: Sequence[str]) -> pd.DataFrame:
    """Measures with model and strategy as ordered categories, so that every table keeps the given order."""
    return measures.assign(
        model=pd.Categorical(measures.model, models, ordered=True),
        strategy=pd.Categorical(measures.strategy, ["dense", *strategies], ordered=True),
    )


def level_label(table: pd.DataFrame) -> pd.Series:
    """What was asked of each row's variant, as text: rows of one label are at the same level."""
    return table.level.map(lambda level: repr(float(level)))
