"""Features of samples as categories: what is a name stays, what is a number is cut at its quartiles."""

from itertools import pairwise

import numpy as np
import pandas as pd

QUARTILES = (0.25, 0.5, 0.75)


def as_categories(values: pd.Series) -> pd.Series:
    """An ordered category for each sample, null where a value is: names by the alphabet, bins upwards.

    Bins are cut at the quartiles of the values given, so that each has about as many samples whatever the
    corpus and the length of a window: a cut that suits one would leave bins of another empty. Where many
    samples have one value, bins are fewer; each holds its upper end.
    """
    if not pd.api.types.is_numeric_dtype(values):
        return values.astype(pd.CategoricalDtype(sorted(values.dropna().unique()), ordered=True))
    known = values.dropna()
    cuts = np.unique(known.quantile(QUARTILES)) if len(known) else np.array([])
    cuts = cuts[cuts < known.max()]
    return pd.cut(values, [-np.inf, *cuts, np.inf], labels=bin_names(cuts), ordered=True)


def bin_names(cuts: np.ndarray) -> list[str]:
    """What the bins between some cuts are called, with as many digits as tell the cuts apart."""
    for digits in range(3, 18):
        ends = [f"{cut:.{digits}g}" for cut in cuts]
        if len(set(ends)) == len(ends):
            break
    if not ends:
        return ["all"]
    middle = [f"{low} to {high}" for low, high in pairwise(ends)]
    return [f"up to {ends[0]}", *middle, f"above {ends[-1]}"]
