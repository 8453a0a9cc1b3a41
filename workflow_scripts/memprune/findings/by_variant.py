"""A column of measures as an array, a row a variant: what all paired comparisons start from."""

import numpy as np
import pandas as pd

from memprune.errors import UserError
from memprune.findings.frames import VARIANT


def by_variant(rows: pd.DataFrame, unit: str, column: str) -> tuple[pd.DataFrame, np.ndarray]:
    """One model's variants, in the order of tables, and sums of `column` by unit, variants × units (float64).

    `unit` is what variants are compared on, `sample`, `document` or `window`; units are sorted. `rows` has
    one context length at most. Raises UserError when variants have not the same units, or not as many rows of
    each.
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
    return variants, np.bincount(places, rows[column], np.prod(shape)).reshape(shape)
