"""The main finding, in one sentence with its interval: that of the largest model with one."""

from collections.abc import Mapping, Sequence

import pandas as pd


def headline(tables: Mapping[str, pd.DataFrame], models: Sequence[str]) -> str:
    return "to do"
