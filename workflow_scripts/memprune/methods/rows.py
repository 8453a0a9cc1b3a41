"""Sparsity in each row: of the weights of one output, its lowest go (Wanda, Sun et al. 2024, section 3)."""

from collections.abc import Mapping, Sequence

import numpy as np

from memprune.methods.asked import Asked
from memprune.methods.by_output import drop_by_output
from memprune.methods.selection_engine import Keys
from memprune.models.layout import layout_of
from memprune.variants.regions import Region


def drop(packed: Mapping[str, np.ndarray], regions: Sequence[Region], keys: Keys, asked: Asked) -> None:
    """Take exactly round(level × weights of the row in scope) of each row out of the masks."""
    for region in regions:
        drop_in_rows(packed, region, keys, asked.level, asked)


def drop_in_rows(
    packed: Mapping[str, np.ndarray], region: Region, keys: Keys, level: float, asked: Asked
) -> None:
    """The same of one region, at a level of its own."""

    def choose(values: np.ndarray) -> np.ndarray:
        return all_but_lowest(values, round(level * values.shape[1]))

    input_first = layout_of(asked.manifest.architecture).input_first
    drop_by_output(packed, region, input_first, keys, choose, asked.threads)


def all_but_lowest(values: np.ndarray, count: int) -> np.ndarray:
    """Which of each row stay when its `count` lowest go, as bool; of equal ones the first go."""
    if count == 0:
        return np.ones(values.shape, dtype=np.bool_)
    values = np.ascontiguousarray(values)
    ordered = np.partition(values, count - 1, axis=1)
    threshold = ordered[:, count - 1]
    stays = values > threshold[:, None]
    # Those of a row's values that equal the threshold all go, unless the rest has one, too.
    rest = ordered[:, count:].min(axis=1, initial=np.iinfo(values.dtype).max)
    for row in np.flatnonzero(rest == threshold):
        equal = np.flatnonzero(values[row] == threshold[row])
        stays[row, equal[count - np.count_nonzero(values[row] < threshold[row]) :]] = True
    return stays
