"""Results as data frames; one that cannot be read, or lacks a column, is a UserError."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from memprune.disk import readable

NAMES = ("model", "strategy", "role")  # texts, even where a model is called 007, 1e5 or NA


def read_parquet(path: Path) -> pd.DataFrame:
    """A Parquet file. Raises UserError when it is damaged."""
    with readable(path):
        return pd.read_parquet(path)


def read_csv(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """These columns of a table. Raises UserError when it is damaged or lacks one."""
    texts = {column: str for column in columns if column in NAMES}
    with readable(path):
        return pd.read_csv(path, usecols=list(columns), dtype=texts, keep_default_na=False, na_values=[""])
