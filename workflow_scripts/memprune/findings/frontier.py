"""The frontier of memorization and perplexity: which variants no other beats, over all models together.

A smaller dense model is the natural alternative to pruning a large one, so all models compete.
"""

import numpy as np
import pandas as pd

from memprune.findings.frames import VARIANT, variant_label

COLUMNS = [
    *VARIANT, "context_length", "extracted", "samples", "fraction", "ci_low", "ci_high",
    "token_perplexity", "collapsed",
]  # fmt: skip


def frontier(memorization: pd.DataFrame, perplexity: pd.DataFrame) -> pd.DataFrame:
    """Every variant's memorization and perplexity, and which of them are on the frontier, per context length.

    `memorization` and `perplexity` are the tables of those names, the first with a bool column `collapsed`.
    A variant beats another if it is at most equal in both fraction and token perplexity, and less in one. Of
    estimates, that is: intervals stand beside them. Columns: `VARIANT`, context_length, extracted, samples,
    fraction, ci_low, ci_high, token_perplexity, collapsed, on_frontier (no variant beats it), beaten_by (the
    model and variant on the frontier with the lowest perplexity of those that beat it; null of those on it).
    A collapsed variant is never on the frontier and beats none.
    """
    points = with_perplexity(memorization, perplexity)[COLUMNS]
    rivals = [judged(own) for _, own in points.groupby("context_length")]
    return pd.concat(rivals).loc[points.index] if rivals else points.assign(on_frontier=False, beaten_by=None)


def with_perplexity(memorization: pd.DataFrame, perplexity: pd.DataFrame) -> pd.DataFrame:
    """The table of memorization with the token_perplexity of each row's variant."""
    return memorization.merge(perplexity[[*VARIANT, "token_perplexity"]], on=VARIANT, validate="many_to_one")


def judged(points: pd.DataFrame) -> pd.DataFrame:
    """The variants at one context length with on_frontier and beaten_by."""
    fraction, cost = points.fraction.to_numpy(), points.token_perplexity.to_numpy()
    sound = ~points.collapsed.to_numpy(bool)
    beats = (fraction[:, None] <= fraction) & (cost[:, None] <= cost)  # rows beat columns
    beats &= ((fraction[:, None] < fraction) | (cost[:, None] < cost)) & sound[:, None]
    on_frontier = sound & ~beats.any(axis=0)
    best = np.flatnonzero(on_frontier)[np.argsort(cost[on_frontier], kind="stable")]
    beats = beats[best]
    names = variant_names(points).to_numpy(object)[best]
    beaten_by = [names[column.argmax()] if column.any() else None for column in beats.T]
    return points.assign(on_frontier=on_frontier, beaten_by=pd.Series(beaten_by, points.index, dtype=object))


def variant_names(points: pd.DataFrame) -> pd.Series:
    """The model and variant of each row, as text: `pythia-160m global@0.3`."""
    return points.model.astype(str) + " " + variant_label(points)
