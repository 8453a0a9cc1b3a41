"""Variants against each other on the same samples: exact McNemar tests, corrected over a table."""

import numpy as np
import pandas as pd
from scipy.stats import binom

from memprune.findings.by_variant import by_variant
from memprune.findings.frames import VARIANT, level_label
from memprune.findings.intervals import paired_difference_interval, perplexity_ratios
from memprune.findings.strategy_methods import ALL_PRUNE, Methods, strength, unit_of


def against_dense(members: pd.DataFrame) -> pd.DataFrame:
    """Each changed variant against the dense model on the same samples.

    Columns: `VARIANT`, context_length, samples, dense (how many are extracted by the dense model), extracted
    (by the variant), lost (by the dense model only), gained (by the variant only), then those of `tested`.
    """
    parts = []
    for (_, k), rows in members.groupby(["model", "context_length"], observed=True):
        variants, extracted = by_variant(rows, "sample", "extracted")
        is_dense = (variants.strategy == "dense").to_numpy()
        [dense], pruned = np.flatnonzero(is_dense), np.flatnonzero(~is_dense)
        counts = joint_counts(extracted, np.full_like(pruned, dense), pruned)
        parts.append(variants[~is_dense].assign(context_length=k, **counts))
    table = pd.concat(parts).sort_values([*VARIANT, "context_length"], ignore_index=True)
    names = {
        "first_extracted": "dense",
        "second_extracted": "extracted",
        "first_only": "lost",
        "second_only": "gained",
    }
    return tested(table).rename(columns=names)


def between_strategies(
    members: pd.DataFrame, windows: pd.DataFrame, methods: Methods = ALL_PRUNE
) -> pd.DataFrame:
    """Every two strategies at the same level of a model, on the same samples and the same documents.

    Columns: model, level (its label), first, second (strategies), context_length, samples, first_extracted,
    second_extracted, first_only, second_only, those of `tested`, then perplexity_ratio (second to first) with
    perplexity_ratio_ci_low and …_ci_high.
    """
    parts, ratios = [], []
    for (_, k), rows in members.groupby(["model", "context_length"], observed=True):
        variants, extracted = by_variant(rows, "sample", "extracted")
        first, second = pairs_at_one_level(variants, methods)
        counts = joint_counts(extracted, first, second)
        parts.append(named(variants, first, second).assign(context_length=k, **counts))
    for _, rows in windows.groupby("model", observed=True):
        variants, nll = by_variant(rows, "document", "nll")
        _, tokens = by_variant(rows, "document", "tokens")
        first, second = pairs_at_one_level(variants, methods)
        pairs = named(variants, first, second).drop(columns="place")
        ratios.append(pairs.assign(**perplexity_ratios(nll, tokens[0], first, second)))
    table = pd.concat(parts).sort_values(["model", "place", "context_length"], ignore_index=True)
    keys = ["model", "level", "first", "second"]
    return tested(table.drop(columns="place")).merge(
        pd.concat(ratios), on=keys, how="left", validate="many_to_one"
    )


def pairs_at_one_level(variants: pd.DataFrame, methods: Methods) -> tuple[np.ndarray, np.ndarray]:
    """The rows of every two changed variants at one level of one unit, the lightest levels first."""
    labels, strategies = level_label(variants).to_numpy(), variants.strategy.to_numpy()
    named = zip(strategies, labels, strict=True)
    units = np.array([unit_of(strategy, label, methods) for strategy, label in named])
    first, second = np.triu_indices(len(variants), 1)
    compared = (labels[first] == labels[second]) & (units[first] == units[second])
    compared &= (strategies[first] != "dense") & (strategies[second] != "dense")
    first, second = first[compared], second[compared]
    order = np.argsort(strength(variants, methods).to_numpy()[first], kind="stable")
    return first[order], second[order]


def named(variants: pd.DataFrame, first: np.ndarray, second: np.ndarray) -> pd.DataFrame:
    """What identifies pairs of variants: model, level, first, second, and their place in the order."""
    pairs = variants.iloc[first].reset_index(drop=True)
    return pd.DataFrame(
        {
            "model": pairs.model,
            "level": level_label(pairs),
            "first": pairs.strategy,
            "second": variants.strategy.iloc[second].reset_index(drop=True),
            "place": np.arange(len(first)),
        }
    )


def joint_counts(extracted: np.ndarray, first: np.ndarray, second: np.ndarray) -> dict[str, np.ndarray]:
    """How many samples are extracted by each of two variants, and by one of them only (int64).

    `extracted` is variants × samples (float64, 0 or 1); `first` and `second` are rows of it, a pair each.
    """
    both = (extracted @ extracted.T).astype(np.int64)
    each = both.diagonal()
    return {
        "samples": np.full(len(first), extracted.shape[1]),
        "first_extracted": each[first],
        "second_extracted": each[second],
        "first_only": each[first] - both[first, second],
        "second_only": each[second] - both[first, second],
    }


def tested(table: pd.DataFrame) -> pd.DataFrame:
    """The table with what its joint counts say.

    Columns: difference (of the fractions extracted, second − first), difference_ci_low and …_ci_high, p_value
    (exact McNemar, two-sided) and p_holm (that, corrected over the table).
    """
    first_only, second_only, samples = (
        table[name].to_numpy() for name in ("first_only", "second_only", "samples")
    )
    low, high = paired_difference_interval(first_only, second_only, samples)
    p_values = mcnemar_p_values(first_only, second_only)
    return table.assign(
        difference=(second_only - first_only) / samples,
        difference_ci_low=low,
        difference_ci_high=high,
        p_value=p_values,
        p_holm=holm(p_values),
    )


def mcnemar_p_values(lost: np.ndarray, gained: np.ndarray) -> np.ndarray:
    """Exact two-sided p-values that samples are as often lost as gained; 1 if none is either.

    Source: McNemar 1947, Psychometrika 12, 153–157, with the binomial distribution in place of its limit.
    """
    return np.minimum(1, 2 * binom.cdf(np.minimum(lost, gained), lost + gained, 0.5))


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's adjusted p-values, of tests that are read together.

    Source: Holm 1979, Scandinavian Journal of Statistics 6, 65–70.
    """
    order = np.argsort(p_values)
    steps = np.maximum.accumulate(p_values[order] * np.arange(len(order), 0, -1))
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(steps, 1)
    return adjusted
