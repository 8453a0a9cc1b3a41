"""How perplexity, text quality and task accuracy move together over variants: rank correlations."""

from collections.abc import Iterator
from itertools import combinations
from math import factorial

import numpy as np
import pandas as pd
from scipy.stats import norm, spearmanr

from memprune.findings.frames import VARIANT

PERPLEXITY = ("token_perplexity", "windows")
TEXT = ("rouge_l", "bleu", "edit_distance", "repeated_4grams", "distinct_2")
QUALITY = ("rouge_l",)  # of text, to which all others are compared, as to perplexity and tasks
SPLITS = ("member", "non_member")
ALL = "all"
FEWEST = 4  # variants whose correlation has an interval
NAMES = ["model", "first", "first_of", "second", "second_of"]
SPEARMAN = ["variants", "spearman", "spearman_ci_low", "spearman_ci_high", "p_value"]


def agreement(metrics: pd.DataFrame, perplexity: pd.DataFrame) -> pd.DataFrame:
    """Spearman's rank correlations over the variants of each model, and of all models together.

    `metrics` and `perplexity` are the tables of those names, without control models. Perplexity is set beside
    every metric of `TEXT` of members and non-members, of tasks, and what is extracted of members; these
    beside each other where one is of a task or of `QUALITY`. Columns: model (a name or `all`), first,
    first_of, second, second_of (a metric and what it is of; `windows` of perplexity), variants (how many),
    spearman with spearman_ci_low and spearman_ci_high, and p_value. See `correlated`.
    """
    wide = compared_metrics(metrics, perplexity)
    groups = [*wide.groupby("model", observed=True), (ALL, wide)]
    rows = [
        (model, *first, *second, *correlated(own[first].to_numpy(), own[second].to_numpy()))
        for model, own in groups
        for first, second in pairs([name for name in wide if isinstance(name, tuple)])
    ]
    return pd.DataFrame(rows, columns=[*NAMES, *SPEARMAN])


def compared_metrics(metrics: pd.DataFrame, perplexity: pd.DataFrame) -> pd.DataFrame:
    """A row a variant: model, then columns named by metric and what it is of, perplexity the first."""
    is_task = ~metrics.of.isin(SPLITS)
    is_extracted = (metrics.metric == "extracted") & (metrics.of == "member")
    chosen = metrics[is_task | is_extracted | metrics.metric.isin(TEXT)]
    wide = perplexity[[*VARIANT, "token_perplexity"]].rename(columns={"token_perplexity": PERPLEXITY})
    for (of, metric), own in chosen.groupby(["of", "metric"], sort=False, observed=True):
        means = own[[*VARIANT, "mean"]].rename(columns={"mean": (metric, of)})
        wide = wide.merge(means, how="left", on=VARIANT, validate="one_to_one")
    return wide.drop(columns=VARIANT[1:])


def pairs(names: list[tuple[str, str]]) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    """Every two metrics of which one is perplexity, of a task, or of `QUALITY`."""

    def leads(name: tuple[str, str]) -> bool:
        metric, of = name
        return name == PERPLEXITY or metric in QUALITY or of not in SPLITS

    for first, second in combinations(names, 2):
        if leads(first) or leads(second):
            yield first, second


def correlated(first: np.ndarray, second: np.ndarray) -> tuple[int, float, float, float, float]:
    """How many variants have both, Spearman's correlation, its 95 % interval, and a two-sided p-value.

    The interval is Fisher's, with the variance (1 + r² / 2) / (n − 3) (Bonett and Wright 2000, Psychometrika
    65, 23–28); it is unknown of fewer than `FEWEST` variants, and where they stand in one order or its
    reverse. The p-value is scipy's, from Student's t, but at least 2 / n!, below which that of no n variants
    can be. All are NaN where one of the metrics does not vary.
    """
    known = ~(np.isnan(first) | np.isnan(second))
    first, second, n = first[known], second[known], int(known.sum())
    if n < 2 or (first == first[0]).all() or (second == second[0]).all():
        return n, *[np.nan] * 4
    r, p_value = spearmanr(first, second)
    p_value = max(p_value, min(1.0, 2 / factorial(min(n, 20)))) if n > 2 else 1.0
    if n < FEWEST or abs(r) > 1 - 1e-12:
        return n, r, np.nan, np.nan, p_value
    width = norm.ppf(0.975) * np.sqrt((1 + r**2 / 2) / (n - 3))
    return n, r, *np.tanh(np.arctanh(r) + np.array([-width, width])), p_value
