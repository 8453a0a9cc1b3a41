"""Which samples a reader can look at: those that models reproduce before others, of those that count."""

import numpy as np
import pandas as pd


def counted(samples: pd.DataFrame) -> pd.DataFrame:
    """The samples that tables count: pooled members and non-members, none that methods may be fitted to."""
    return samples[samples.pooled & (samples.split != "fitted")]


def choose(samples: pd.DataFrame, best: np.ndarray, count: int) -> np.ndarray:
    """The places of `count` samples at most, ascending.

    `best` is the most tokens that any variant of any model matches of each. Samples of which more is matched
    come before others, members before non-members, then they come in their order.
    """
    order = np.lexsort((np.arange(len(samples)), (samples.split != "member").to_numpy(), -best))
    return np.sort(order[:count])
