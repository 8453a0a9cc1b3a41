"""Strata of samples by how often they stand in the training data."""

import numpy as np
import pandas as pd

MOST = 24  # numbers of duplicates that are a stratum each: few enough to be told apart in a figure


def duplicate_strata(duplicates: pd.Series) -> pd.Series:
    """The stratum of each sample, by a number of duplicates (Int64); null where nobody counted.

    Each number is a stratum as long as they are few. Of more than `MOST`, as real corpora have, a stratum
    goes from a power of two up to the next and is named by the power: 4 is 4 to 7; 0 stays by itself.
    """
    if duplicates.nunique() <= MOST:
        return duplicates
    known = duplicates.fillna(0).to_numpy(np.int64)
    exponents = np.frexp(np.maximum(known, 1))[1] - 1
    powers = np.where(known > 0, 2 ** exponents.astype(np.int64), 0)
    return pd.Series(powers, duplicates.index, "Int64").where(duplicates.notna())
