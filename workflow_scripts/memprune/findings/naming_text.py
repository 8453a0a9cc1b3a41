"""A table of perplexity with the text that it is of, without which the number says little."""

from collections.abc import Mapping

import pandas as pd

from memprune.findings.frames import VARIANT

TEXT = ["dataset", "data_split", "revision", "window"]  # the window in tokens


def naming_text(table: pd.DataFrame, text: Mapping) -> pd.DataFrame:
    """The table with the columns `TEXT` behind `VARIANT`; `text` has a value for each."""
    named = table[VARIANT].assign(**{name: text[name] for name in TEXT})
    return named.join(table.drop(columns=VARIANT))
