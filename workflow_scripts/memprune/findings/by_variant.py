"""Columns of measures as arrays, a row a variant: what all paired comparisons start from."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from memprune.errors import UserError
from memprune.findings.frames import VARIANT


def by_variant(rows: pd.DataFrame, unit: str, column: str) -> tuple[pd.DataFrame, np.ndarray]:
    """One model's variants, in the order of tables, and sums of `column` by unit, variants × units (float64).

    See `columns_by_variant`.
    """
    variants, _, [sums] = columns_by_variant(rows, unit, [column])
    return variants, sums


def columns_by_variant(
    rows: pd.DataFrame, unit: str, columns: Sequence[str]
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """One model's variants, in the order of tables, the units, and sums of the columns by unit.

    The sums are columns × variants × units (float64), null where a value is. `unit` is what variants are
    compared on: sample, document, window or item; units are sorted. `rows` has one context length at most.
    Raises UserError when variants have not the same units, or not as many rows of each.
    """
    groups = rows.groupby(VARIANT, observed=True, dropna=False)
    variants = groups.size().index.to_frame(index=False)
    units, names = pd.factorize(rows[unit], sort=True)
    shape = len(variants), len(names)
    places = groups.ngroup().to_numpy() * len(names) + units
    seen = np.bincount(places, minlength=np.prod(shape)).reshape(shape)
    if (seen != seen[0]).any():
        raise UserError(
            f"measures of {variants.model[0]}: found other {unit}s of some variants than of "
            f"{variants.strategy[0]}, allowed: the same of all; delete its measures and run again"
        )
    sums = [np.bincount(places, rows[column], np.prod(shape)).reshape(shape) for column in columns]
    return variants, np.asarray(names), np.array(sums).reshape(len(columns), *shape)
