"""Data inside a page: compressed, in base64, so that nothing in it can be read as markup or as a script."""

import base64
import gzip
import json
import math

import pandas as pd

LEVEL = 9


def blob(content: object) -> str:
    """Bytes as they are, else the JSON of `content`: compressed by gzip, as text in base64.

    Raises ValueError for a number that JSON has not: give None for what is not a number.
    """
    raw = content if isinstance(content, bytes) else json.dumps(content, allow_nan=False).encode()
    return base64.b64encode(gzip.compress(raw, LEVEL, mtime=0)).decode()


def columns(frame: pd.DataFrame) -> dict:
    """A data frame as the page's scripts read it: `columns`, the names, and `values`, a list for each.

    What is missing or not finite is None.
    """
    return {"columns": list(frame.columns), "values": [plain(frame[name]) for name in frame]}


def plain(values: pd.Series) -> list:
    """A column as a list of JSON's values."""
    as_objects = values.astype(object)
    known = as_objects.where(values.notna(), None)
    return [None if isinstance(v, float) and not math.isfinite(v) else v for v in known.tolist()]
