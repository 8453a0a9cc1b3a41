"""Perplexity of concatenated text, as the pruning papers compute it."""

import numpy as np
import pandas as pd

from memprune.findings.frames import VARIANT
from memprune.findings.perplexity_table import ratios_to_dense


def concatenated_table(measures: pd.DataFrame) -> pd.DataFrame:
    """Perplexities per variant over windows of concatenated text; `measures` has a row a window.

    Columns: `VARIANT`, windows, tokens (scored), perplexity, then perplexity_ratio, the perplexity in units
    of the dense model's, with perplexity_ratio_ci_low and …_ci_high, for which windows are resampled (null if
    there is one window). Windows have equally many tokens, so exp(Σ nll / Σ tokens) is the exp of the mean
    over windows of their mean loss, which SparseGPT and Wanda report.
    """
    groups = measures.groupby(VARIANT, observed=True, dropna=False)
    sums = groups[["nll", "tokens"]].sum()
    ratios = [ratios_to_dense(rows, "window") for _, rows in measures.groupby("model", observed=True)]
    with np.errstate(over="ignore"):  # a collapsed model's perplexity may be infinite
        perplexity = np.exp(sums.nll / sums.tokens)
    table = pd.DataFrame({"windows": groups.size(), "tokens": sums.tokens, "perplexity": perplexity})
    return table.reset_index().join(pd.concat(ratios, ignore_index=True))
