"""What was published beside ours, in sentences: figures, and scores of known sequences."""

import pandas as pd

from memprune.findings.answers import Tables
from memprune.findings.kinds_of_set import members_in
from memprune.findings.words import number_of, p_value, percent


def comparison_with_published(tables: Tables) -> list[str]:
    """How many published figures could be set beside ours, and how many differ."""
    table = tables["published"]
    compared = table[table.status == "compared"]
    other = int((table.status == "other set").sum())
    apart = (
        [
            f"{number_of(other, 'published fraction')} of samples of another kind than these "
            f"{members_in(tables['memorization'])}: no comparison would mean anything."
        ]
        if other
        else []
    )
    if compared.empty:
        figures = number_of(len(table), "published figure")
        return [f"None of {figures} is of a model and strategy of this experiment: not run.", *apart]
    tested = compared[compared.z.notna()]
    return [
        f"{number_of(len(compared), 'comparison')} with published figures; of "
        f"{number_of(len(tested), 'fraction')} among them {int((tested.z.abs() > 1.96).sum())} differ by "
        "more than 1.96 standard errors. What deviates in protocol stands beside each in the table "
        "`published`.",
        *apart,
    ]


def agreement_with_published(tables: Tables) -> list[str]:
    """A sentence a model of which there are published scores: how many sequences both extract."""
    if "published_scores" not in tables:
        return []
    return [in_words(row) for row in tables["published_scores"].itertuples()]


def in_words(row: tuple) -> str:
    """One model's agreement with its published scores."""
    kappa = (
        "Cohen's kappa has no value, since one side has a single answer"
        if pd.isna(row.kappa)
        else f"Cohen's kappa {row.kappa:.3f} ({row.kappa_ci_low:.3f} to {row.kappa_ci_high:.3f})"
    )
    differing = row.ours_only + row.published_only
    return (
        f"**{row.model}**: of {number_of(row.sequences, 'known sequence')} with a published score, "
        f"{percent(row.agreement)} agree: {row.both} extracted by both, {row.neither} by neither, "
        f"{row.ours_only} here only and {row.published_only} as published only ({p_value(row.p_value)}); "
        f"{kappa}. "
        f"Of the {differing} that differ, {row.near_ties} are within rounding of a tie."
    )
