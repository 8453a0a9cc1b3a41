"""What is still reproduced where some tokens of the prefix are replaced."""

import pandas as pd

from memprune.errors import UserError
from memprune.findings.memorization_table import memorization_table

KEY = ["split", "seed", "sample"]


def perturbed_table(samples: pd.DataFrame, perturbed: pd.DataFrame) -> pd.DataFrame:
    """The metrics by share of the prefix's tokens that is replaced, of members and non-members.

    Both are measures in order, those of pooled samples are counted; `samples` are those at all context
    lengths, with their own prefix, of which the longest is share 0. Columns are those of
    `memorization_table`, with of (member or non_member) and share. Raises UserError unless every share has
    the same samples.
    """
    unchanged = samples[samples.context_length == samples.context_length.max()].assign(share=0.0)
    counted = pd.concat([unchanged, perturbed], ignore_index=True)
    counted = counted[counted.pooled]
    check_same(counted)
    return memorization_table(counted.rename(columns={"split": "of"}), ["of", "share"])


def check_same(measures: pd.DataFrame) -> None:
    """Raise UserError unless every share has the samples that the prefixes as they are have."""
    drawn = {share: set(rows[KEY].itertuples(index=False)) for share, rows in measures.groupby("share")}
    for share, own in drawn.items():
        if own != drawn[0.0]:
            raise UserError(
                f"measures of perturbed prefixes: found other samples at share {share} than at 0, allowed: "
                "the same; run again"
            )
