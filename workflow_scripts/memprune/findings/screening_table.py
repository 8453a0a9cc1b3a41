"""How many of a variant's samples a fast type settled, and what float32 said of them."""

import pandas as pd

from memprune.evaluation.screening import AUDITED_TOO, CONTRADICTED, RESCORED
from memprune.findings.frames import VARIANT


def screening_table(measures: pd.DataFrame) -> pd.DataFrame:
    """Counts of samples per variant and context length: those of all splits and seeds, where screened.

    Columns: `VARIANT`, context_length, samples, settled (by the fast type), rescored (in float32, the
    others), audited (of those settled, in float32 too), contradicted (of those audited), and compute_dtype,
    the types that the evidence is in.
    """
    screened = measures[measures.screened.notna()]
    outcome = screened.screened.astype(str)
    counted = screened[[*VARIANT, "context_length"]].assign(
        samples=1,
        settled=outcome != RESCORED,
        rescored=outcome == RESCORED,
        audited=outcome.isin((AUDITED_TOO, CONTRADICTED)),
        contradicted=outcome == CONTRADICTED,
    )
    keys = [*VARIANT, "context_length"]
    sums = counted.groupby(keys, observed=True, dropna=False).sum()
    types = screened.groupby(keys, observed=True, dropna=False).compute_dtype.agg(listed_types)
    return sums.assign(compute_dtype=types).reset_index()


def listed_types(dtypes: pd.Series) -> str:
    """The types that some rows were computed in, each once."""
    return ", ".join(sorted(set(dtypes)))
