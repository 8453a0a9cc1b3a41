"""Results as data frames; one that cannot be read, or lacks a column, is a UserError."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa

from memprune.errors import UserError

NAMES = ("model", "strategy", "role")  # texts, even where a model is called 007, 1e5 or NA


def read_parquet(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """These columns of a Parquet file. Raises UserError when it is damaged or lacks one."""
    return explained(path, lambda: pd.read_parquet(path, columns=list(columns)))


def read_csv(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """These columns of a table. Raises UserError when it is damaged or lacks one."""
    texts = {column: str for column in columns if column in NAMES}
    return explained(
        path,
        lambda: pd.read_csv(path, usecols=list(columns), dtype=texts, keep_default_na=False, na_values=[""]),
    )


def explained(path: Path, read: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """What `read` gives; its errors become one line that names the file."""
    try:
        return read()
    except (OSError, ValueError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())[:160]
        raise UserError(f"{path}: cannot be read ({reason}); delete it and run again") from None
