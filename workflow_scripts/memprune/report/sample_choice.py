"""Which samples a reader can look at, where there are more than a page should hold."""

import numpy as np
import pandas as pd


def chosen(samples: pd.DataFrame, most_matched: np.ndarray, count: int) -> np.ndarray:
    """The places of at most `count` samples, ascending.

    Those of which some variant reproduces most are taken before others, `most_matched` of each sample (in
    tokens); among equals members before non-members, then as they stand.
    """
    order = np.lexsort((np.arange(len(samples)), samples.split != "member", -most_matched.astype(np.int64)))
    return np.sort(order[:count])
