"""A table of perplexity with the text that it is of, without which the number says little."""

from collections.abc import Mapping

import pandas as pd

from memprune.findings.frames import VARIANT


def naming_text(table: pd.DataFrame, text: Mapping) -> pd.DataFrame:
    """The table with the columns dataset, data_split, revision and window (tokens) behind `VARIANT`."""
    return table[VARIANT].assign(**text).join(table.drop(columns=VARIANT))
