"""What published scores of known sequences say beside ours, in sentences."""

import pandas as pd

from memprune.findings.answers import Tables
from memprune.findings.words import number_of, p_value, percent


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
