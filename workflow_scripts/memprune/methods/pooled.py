"""Sparsity over single weights, ranked together in each matrix, in each layer, or over the scope."""

from collections.abc import Mapping, Sequence

import numpy as np

from memprune.methods.asked import Asked
from memprune.methods.selection import group_regions
from memprune.methods.selection_engine import Keys, drop_lowest
from memprune.variants.regions import Region


def drop(packed: Mapping[str, np.ndarray], regions: Sequence[Region], keys: Keys, asked: Asked) -> None:
    """Take exactly round(level × weights) of each group out of its matrices' masks, the lowest keys first."""
    for group in group_regions(regions, asked.settings["allocation"]):
        pruned = round(asked.level * sum(region.weights for region in group))
        drop_lowest(packed, group, keys, pruned, asked.threads)
