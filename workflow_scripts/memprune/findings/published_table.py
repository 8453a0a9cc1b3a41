"""Dense models against published figures."""

from collections.abc import Mapping

import pandas as pd
from scipy.stats import binomtest


def published_table(memorization: pd.DataFrame, published: Mapping[str, float]) -> pd.DataFrame:
    """Dense models against published shares of extracted samples, by the exact binomial test.

    Columns: model, context_length, extracted, samples, fraction, ci_low, ci_high, published, p_value
    (two-sided: of a sample as far from the published share or farther, if that share were true).
    """
    own = memorization[(memorization.strategy == "dense") & memorization.model.isin(list(published))]
    table = own[["model", "context_length", "extracted", "samples", "fraction", "ci_low", "ci_high"]]
    shares = table.model.map(published).astype(float)
    tests = map(binomtest, table.extracted.astype(int), table.samples.astype(int), shares)
    return table.assign(published=shares, p_value=[test.pvalue for test in tests])
