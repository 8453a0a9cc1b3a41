"""Strategies on equal terms: what each leaves memorized at equal sparsity, removal, bytes or perplexity.

A strategy's curve goes straight from the variant that it changes, the dense model or the one that it stands
after, through its levels, the lightest first. It ends before its first collapsed level, and before one whose
perplexity is infinite. The tables have for each model, context length and value of the equal quantity those
strategies whose curves reach it, where at least two do. A curve reaches a value where it first crosses it,
coming from where it begins: what it begins with is not its own, so a strategy is left out where it does not
move the quantity. Values are equal that agree in `DIGITS` significant digits, as levels do whatever the
number of weights that they are rounded to.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from memprune.findings.frames import variant_label
from memprune.findings.frontier import with_perplexity
from memprune.findings.strategy_methods import ALL_PRUNE, Methods, base_of, stores_otherwise, strength

DIGITS = 3
INCREASES = (0.05, 0.1, 0.25, 0.5)  # of perplexity over the dense model's
VALUES = 5  # shares removed at which a model's strategies are compared, at most
STRAIGHT = ["sparsity", "removed", "fraction", "ci_low", "ci_high"]  # between two levels
GEOMETRIC = ["token_perplexity", "perplexity_ratio"]  # their logarithms are straight
COLUMNS = [
    "strategy", "sparsity", "removed", "token_perplexity", "perplexity_ratio",
    "fraction", "ci_low", "ci_high", "samples", "interpolated", "place",
]  # fmt: skip
Curves = Mapping[str, pd.DataFrame]  # by strategy: a row a level, what the strategy changes first


def at_equal_sparsity(
    memorization: pd.DataFrame, perplexity: pd.DataFrame, methods: Methods = ALL_PRUNE
) -> pd.DataFrame:
    """Strategies at equal sparsity in scope: at each that one has as a level and another reaches."""
    return compared(memorization, perplexity, "sparsity", methods)


def at_equal_removed(
    memorization: pd.DataFrame, perplexity: pd.DataFrame, methods: Methods = ALL_PRUNE
) -> pd.DataFrame:
    """Strategies with an equal share of all prunable weights removed.

    At shares that one has at a level and another reaches: at most `VALUES` of a model, evenly chosen.
    """
    return compared(memorization, perplexity, "removed", methods)


def at_equal_bytes(
    memorization: pd.DataFrame, perplexity: pd.DataFrame, methods: Methods = ALL_PRUNE
) -> pd.DataFrame:
    """Strategies of equal bytes, by `bytes_saved`, the share of the dense model's that a variant lacks.

    At shares that one has at a level and another reaches: at most `VALUES` of a model, evenly chosen.
    """
    return compared(memorization, perplexity, "bytes_saved", methods)


def at_equal_perplexity(
    memorization: pd.DataFrame, perplexity: pd.DataFrame, methods: Methods = ALL_PRUNE
) -> pd.DataFrame:
    """Strategies that cost equally much: at each of `INCREASES` of perplexity over the dense model's.

    Between two levels the logarithm of perplexity is straight. Where it falls and rises along a curve, the
    first crossing counts, the lightest change at that cost; retraining comes to it from above.
    """
    return compared(memorization, perplexity, "perplexity_increase", methods)


def compared(
    memorization: pd.DataFrame, perplexity: pd.DataFrame, quantity: str, methods: Methods
) -> pd.DataFrame:
    """The strategies at the values of a quantity, a key of `QUANTITIES`.

    `memorization` and `perplexity` are the tables of those names with a bool column `collapsed`. Columns:
    model, context_length, the quantity, strategy, then as far as they are not the quantity: sparsity,
    removed, token_perplexity, perplexity_ratio (to the dense model's), fraction, ci_low, ci_high, samples,
    interpolated (false where a variant itself stands there), place (1: the least memorized; equals share a
    place).

    `ci_low` and `ci_high` lie between the Wilson ends of both neighbours as the fraction lies between theirs.
    They hold the mixture of the two true fractions with at least 95 %: the standard deviation of a mixture of
    two estimates is at most the mixture of theirs, however the pairs on the same samples go together. They
    say nothing of how far a true curve bends between two levels.
    """
    rows = []
    points = with_perplexity(memorization, perplexity)
    for (model, context_length), own in points.groupby(["model", "context_length"], observed=True):
        curves = curves_of(own, methods)
        for value in QUANTITIES[quantity](curves, quantity):
            found = [
                {"model": model, "context_length": context_length, "strategy": strategy, **point}
                for strategy, curve in curves.items()
                if (point := crossing(curve, quantity, value)) is not None
            ]
            if len(found) > 1:
                fractions = np.round([point["fraction"] for point in found], 12)  # but for an ulp
                places = rankdata(fractions, method="min")
                rows += [
                    point | {quantity: value, "place": int(place)}
                    for point, place in zip(found, places, strict=True)
                ]
    keys = ["model", "context_length", quantity]
    return pd.DataFrame(rows, columns=[*keys, *(name for name in COLUMNS if name != quantity)])


def curves_of(points: pd.DataFrame, methods: Methods = ALL_PRUNE) -> dict[str, pd.DataFrame]:
    """The curve of each strategy of one model at one context length, in the strategies' order.

    `points` has a row a variant with `VARIANT`, the fraction and its interval, token_perplexity, collapsed.
    A curve is its rows as far as it goes, with perplexity_ratio, perplexity_increase (that less 1) and
    bytes_saved. There is none if what it begins with, or the dense model, has collapsed itself or is not
    there.
    """
    ends = points.collapsed.astype(bool) | ~np.isfinite(points.token_perplexity)
    points = points.assign(ends=ends, variant=variant_label(points), strength=strength(points, methods))
    is_dense = points.strategy == "dense"
    dense = points[is_dense & ~points.ends]
    if dense.empty:
        return {}
    ratio = points.token_perplexity / dense.token_perplexity.iloc[0]
    saved = 1 - points.variant_bytes / dense.variant_bytes.iloc[0]
    points = points.assign(perplexity_ratio=ratio, perplexity_increase=ratio - 1, bytes_saved=saved)
    curves = {}
    for strategy, levels in points[~is_dense].groupby("strategy", observed=True):
        begins = points[(points.variant == base_of(strategy, methods)) & ~points.ends]
        if len(begins):
            levels = levels.sort_values("strength", kind="stable")
            curves[strategy] = pd.concat([begins, levels[~levels.ends.cummax()]])
    return curves


def moved(curves: Curves, quantity: str) -> dict[str, pd.DataFrame]:
    """The curves along which a quantity changes, and those that end where they begin."""
    return {
        name: curve
        for name, curve in curves.items()
        if len(curve) == 1 or len(set(rounded(curve[quantity]))) > 1
    }


def attained(curves: Curves, quantity: str) -> list[float]:
    """Ascending, the values of a quantity at which a level stands and which at least two curves reach."""
    values = [rounded(curve[quantity]) for curve in curves.values()]
    stands = {value for own in values for value in own[1:].tolist() if value > 0 and value != own[0]}
    return sorted(value for value in stands if sum(len(reached(own, value)) > 0 for own in values) > 1)


def crossing(curve: pd.DataFrame, quantity: str, value: float) -> dict | None:
    """Where a curve first reaches a value, as columns; None where it does not."""
    place = place_of(curve, quantity, value)
    if place is None:
        return None
    row, share = place
    then = curve.iloc[row]
    if share == 1:
        return {**then[[*STRAIGHT, *GEOMETRIC, "samples"]], "interpolated": False}
    before = curve.iloc[row - 1]
    return {
        **{name: before[name] + share * (then[name] - before[name]) for name in STRAIGHT},
        **{name: before[name] * (then[name] / before[name]) ** share for name in GEOMETRIC},
        "samples": min(before.samples, then.samples),
        "interpolated": True,
    }


def place_of(curve: pd.DataFrame, quantity: str, value: float) -> tuple[int, float] | None:
    """The row of a curve that first reaches a value, and the share of the way to it from the row before.

    The share is 1 where the row itself stands at the value. None where no row reaches it.
    """
    own = rounded(curve[quantity])
    if not len(rows := reached(own, value)):
        return None
    row = int(rows[0])
    if own[row] == value:
        return row, 1.0
    scale = np.log1p if quantity == "perplexity_increase" else float
    low, high = scale(curve[quantity].iloc[row - 1]), scale(curve[quantity].iloc[row])
    return row, (scale(value) - low) / (high - low)


def reached(own: np.ndarray, value: float) -> np.ndarray:
    """The places in a curve's values at or beyond one, seen from the first; none if that is it itself."""
    if own[0] == value:
        return np.array([], dtype=int)
    return np.flatnonzero(own >= value if own[0] < value else own <= value)


def evenly(values: Sequence[float], most: int) -> list[float]:
    """At most so many of the values, the first and the last among them, evenly chosen by their places."""
    places = np.linspace(0, len(values) - 1, min(most, len(values))).round().astype(int)
    return [values[place] for place in places]


def rounded(values: pd.Series | Sequence[float]) -> np.ndarray:
    """The values to `DIGITS` significant digits, float64."""
    return np.array([float(f"{value:.{DIGITS}g}") for value in values])


# The values of each quantity at which strategies are compared, from a model's curves.
QUANTITIES: Mapping[str, Callable[[Curves, str], Sequence[float]]] = {
    "sparsity": attained,
    "removed": lambda *at: evenly(attained(*at), VALUES),
    "bytes_saved": lambda *at: evenly(attained(*at), VALUES),
    "perplexity_increase": lambda *_: INCREASES,
}


def quantities_compared(methods: Methods) -> list[str]:
    """The quantities at which strategies are compared: bytes only where they say more than shares removed."""
    return [name for name in QUANTITIES if name != "bytes_saved" or stores_otherwise(methods)]
