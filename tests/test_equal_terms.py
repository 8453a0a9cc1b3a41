"""Strategies on equal terms against numpy.interp, and the frontier against plain loops."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from memprune.findings.equal_terms import (
    INCREASES,
    VALUES,
    at_equal_perplexity,
    at_equal_removed,
    at_equal_sparsity,
    evenly,
)
from memprune.findings.frames import VARIANT, in_order
from memprune.findings.frontier import frontier
from memprune.findings.intervals import wilson_interval

SAMPLES = 100
AT_EQUAL = {
    "sparsity": at_equal_sparsity,
    "removed": at_equal_removed,
    "perplexity_increase": at_equal_perplexity,
}
# Of one model: strategy, sparsity, removed, extracted, perplexity.
DENSE = ("dense", 0.0, 0.0, 40, 20.0)
LIGHT, HALF = ("light", 0.2, 0.2, 30, 21.0), ("light", 0.6, 0.6, 12, 30.0)
NARROW, DEEP = ("narrow", 0.3, 0.1, 20, 24.0), ("narrow", 0.9, 0.3, 4, 80.0)


def tables(rows, model="m", collapsed=()) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables of memorization and perplexity of one model; `collapsed` are numbers of rows."""
    names = ["strategy", "sparsity", "removed", "extracted", "token_perplexity"]
    table = pd.DataFrame(rows, columns=names).assign(model=model, samples=SAMPLES, variant_bytes=8)
    table = in_order(
        table.assign(level=table.sparsity, target=None), [model], list(dict.fromkeys(table.strategy))[1:]
    )
    low, high = wilson_interval(table.extracted.to_numpy(), table.samples.to_numpy())
    fractions = {"fraction": table.extracted / table.samples, "ci_low": low, "ci_high": high}
    table = table.assign(context_length=50, collapsed=table.index.isin(collapsed), **fractions)
    return table.drop(columns="token_perplexity"), table[[*VARIANT, "token_perplexity", "collapsed"]]


def found(table: pd.DataFrame, quantity: str) -> list[tuple]:
    return list(zip(table[quantity].round(6), table.strategy, table.interpolated, table.place, strict=True))


def test_at_equal_sparsity_stand_levels_and_what_lies_between():
    table = at_equal_sparsity(*tables([DENSE, LIGHT, HALF, NARROW, DEEP]))
    assert found(table, "sparsity") == [
        (0.2, "light", False, 2), (0.2, "narrow", True, 1),
        (0.3, "light", True, 2), (0.3, "narrow", False, 1),
        (0.6, "light", False, 1), (0.6, "narrow", True, 1),
    ]  # fmt: skip
    light, narrow = table[table.strategy == "light"], table[table.strategy == "narrow"]
    assert narrow.fraction.tolist() == pytest.approx([0.4 + (0.2 - 0.4) * 2 / 3, 0.2, 0.12])
    assert light.removed.tolist() == pytest.approx([0.2, 0.3, 0.6])
    assert light.token_perplexity.tolist() == pytest.approx([21, 21 * (30 / 21) ** 0.25, 30])
    assert light.perplexity_ratio.tolist() == pytest.approx((light.token_perplexity / 20).tolist())
    assert set(table.samples) == {SAMPLES}


def test_at_equal_shares_removed_a_narrow_strategy_is_compared_as_far_as_it_goes():
    table = at_equal_removed(*tables([DENSE, LIGHT, HALF, NARROW, DEEP]))
    assert found(table, "removed") == [
        (0.1, "light", True, 2), (0.1, "narrow", False, 1),
        (0.2, "light", False, 2), (0.2, "narrow", True, 1),
        (0.3, "light", True, 2), (0.3, "narrow", False, 1),
    ]  # fmt: skip


def test_at_equal_perplexity_the_first_crossing_from_the_dense_model_counts():
    there_and_back = [("back", 0.1, 0.1, 35, 23.0), ("back", 0.2, 0.2, 34, 20.5), ("back", 0.3, 0.3, 5, 90.0)]
    table = at_equal_perplexity(*tables([DENSE, LIGHT, HALF, *there_and_back]))
    assert found(table, "perplexity_increase") == [
        (0.05, "light", False, 1), (0.05, "back", True, 2),
        (0.1, "light", True, 1), (0.1, "back", True, 2),
        (0.25, "light", True, 1), (0.25, "back", True, 2),
        (0.5, "light", False, 1), (0.5, "back", True, 2),
    ]  # fmt: skip
    assert table.perplexity_ratio.tolist() == pytest.approx((1 + table.perplexity_increase).tolist())
    at_10 = table[(table.perplexity_increase == 0.1) & (table.strategy == "back")]
    share = np.log(1.1) / np.log(23 / 20)
    assert at_10[["sparsity", "fraction"]].to_numpy().tolist() == [
        pytest.approx([0.1 * share, 0.4 - 0.05 * share])
    ]


points = st.lists(
    st.tuples(st.integers(1, 99), st.integers(0, SAMPLES), st.floats(1.0, 3.0)),
    min_size=1, max_size=5, unique_by=lambda point: point[0],
)  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(st.lists(points, min_size=2, max_size=4), st.sampled_from([0.1, 0.25, 1.0]))
def test_interpolation_is_numpys_and_places_are_scipys(strategies, scope):
    """Perplexities ascend here along each curve, so that numpy.interp can follow it by them."""
    rows = [DENSE]
    for number, levels in enumerate(strategies):
        share = scope if number else 1.0
        ascending = 20 * np.cumprod([ratio for *_, ratio in levels])
        rows += [
            (f"s{number}", level / 100, level / 100 * share, count, cost)
            for (level, count, _), cost in zip(sorted(levels), ascending, strict=True)
        ]
    memorization, perplexity = tables(rows)
    whole = memorization.assign(
        token_perplexity=perplexity.token_perplexity,
        perplexity_increase=perplexity.token_perplexity / 20 - 1,
    )
    for quantity, at_equal in AT_EQUAL.items():
        table = at_equal(memorization, perplexity)
        assert not table.isna().to_numpy().any()
        scale = np.log1p if quantity == "perplexity_increase" else np.asarray
        for row in table.to_dict("records"):
            curve = whole[whole.strategy.isin(["dense", row["strategy"]])].sort_values("sparsity")
            x = scale(curve[quantity])
            if not row["interpolated"] or (np.diff(x) <= 0).any():
                near = (curve[quantity] - row[quantity]).abs() <= 0.006 * row[quantity]
                assert row["interpolated"] or row["fraction"] in curve.fraction[near].tolist()
                continue
            for name in ("fraction", "ci_low", "ci_high"):
                expected = np.interp(scale(row[quantity]), x, curve[name])
                assert row[name] == pytest.approx(expected, abs=1e-9)
            cost = np.exp(np.interp(scale(row[quantity]), x, np.log(curve.token_perplexity)))
            assert row["token_perplexity"] == pytest.approx(cost)
        for value, own in table.groupby(quantity):
            assert len(own) >= 2
            assert own.place.tolist() == rankdata(own.fraction, method="min").tolist()
            reach = whole.groupby("strategy", observed=True)[quantity].max().drop("dense")
            assert set(reach[reach >= value * 1.006].index) <= set(own.strategy)
        assert table[quantity].nunique() <= {"sparsity": 99, "removed": VALUES}.get(quantity, len(INCREASES))


def test_a_curve_ends_before_its_first_collapsed_level_and_before_infinite_perplexity():
    rows = [DENSE, LIGHT, HALF, NARROW, DEEP]
    beyond_03 = [(0.2, "light"), (0.2, "narrow"), (0.3, "light"), (0.3, "narrow")]
    for curves in (tables(rows, collapsed=[4]), tables([*rows[:4], (*DEEP[:4], np.inf)])):
        table = at_equal_sparsity(*curves)
        assert list(zip(table.sparsity, table.strategy, strict=True)) == beyond_03
    revived = [DENSE, LIGHT, HALF, NARROW, DEEP]
    assert at_equal_sparsity(*tables(revived, collapsed=[3])).empty  # and no later level begins it anew
    for quantity, at_equal in AT_EQUAL.items():
        none = at_equal(*tables(rows, collapsed=[0]))
        assert none.empty
        assert quantity in none.columns


@pytest.mark.parametrize("rows", [[DENSE], [DENSE, LIGHT], [DENSE, LIGHT, HALF], [LIGHT, NARROW], []])
def test_without_two_strategies_and_a_dense_model_nothing_is_compared(rows):
    full = tables([DENSE, LIGHT, NARROW])
    for at_equal in AT_EQUAL.values():
        table = at_equal(*tables(rows)) if rows else at_equal(*(part.head(0) for part in full))
        assert table.empty
        assert table.columns.to_list() == at_equal(*full).columns.to_list()


def test_identical_strategies_share_their_places_whatever_rounds_their_levels():
    twin = ("twin", 0.20000004, 0.2, 30, 21.0), ("twin", 0.59999996, 0.6, 12, 30.0)
    for at_equal in AT_EQUAL.values():
        table = at_equal(*tables([DENSE, LIGHT, HALF, *twin]))
        assert set(table.place) == {1}
    table = at_equal_sparsity(*tables([DENSE, LIGHT, HALF, *twin]))
    assert found(table, "sparsity") == [
        (0.2, "light", False, 1), (0.2, "twin", False, 1), (0.6, "light", False, 1), (0.6, "twin", False, 1),
    ]  # fmt: skip


def test_values_are_chosen_evenly_with_the_first_and_the_last():
    assert evenly([1, 2, 3, 4, 5, 6, 7, 8, 9], 5) == [1, 3, 5, 7, 9]
    assert evenly([1, 2], 5) == [1, 2]
    assert evenly([], 5) == []


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("pairs", ["independent", "nested", "opposed"])
@pytest.mark.parametrize(("first", "second"), [(0.4, 0.1), (0.1, 0.02), (0.5, 0.5)])
def test_the_band_covers_the_mixture_of_two_paired_fractions(share, pairs, first, second):
    """Whether both are of the same samples, and how they go together."""
    experiments, samples = 2000, 100
    generator = np.random.default_rng(0)
    u = generator.random((experiments, samples))
    v = {"independent": generator.random(u.shape), "nested": u, "opposed": 1 - u}[pairs]
    counts = (u < first).sum(axis=1), (v < second).sum(axis=1)
    ends = [wilson_interval(count, np.full(experiments, samples)) for count in counts]
    low, high = (a + share * (b - a) for a, b in zip(*ends, strict=True))
    truth = first + share * (second - first)
    assert ((low <= truth) & (truth <= high)).mean() >= 0.93


variants = st.lists(
    st.tuples(
        st.integers(0, 6), st.sampled_from([1.0, 2.0, 3.0, 5.0, 8.0, float("inf")]), st.booleans()
    ),
    min_size=1, max_size=14,
)  # fmt: skip


def frontier_of(drawn) -> pd.DataFrame:
    rows = [
        ("dense" if not i else "s", i / 100, 0.0, count, cost) for i, (count, cost, _) in enumerate(drawn)
    ]
    return frontier(*tables(rows, collapsed=[i for i, (*_, gone) in enumerate(drawn) if gone]))


@settings(max_examples=60, deadline=None)
@given(variants)
def test_the_frontier_is_what_no_other_beats(drawn):
    table = frontier_of(drawn)
    names = ["m dense", *(f"m s@{i / 100!r}" for i in range(1, len(drawn)))]

    def beats(a, b):
        return not a[2] and a[0] <= b[0] and a[1] <= b[1] and (a[0] < b[0] or a[1] < b[1])

    best = [not v[2] and not any(beats(other, v) for other in drawn) for v in drawn]
    assert table.on_frontier.tolist() == best
    for variant, name in zip(drawn, table.beaten_by, strict=True):
        winners = [i for i, other in enumerate(drawn) if best[i] and beats(other, variant)]
        cheapest = min((drawn[i][1] for i in winners), default=None)
        allowed = [names[i] for i in winners if drawn[i][1] == cheapest]
        assert name in allowed if allowed else name is None
    assert table.collapsed.tolist() == [gone for *_, gone in drawn]
    assert table.fraction.tolist() == [count / SAMPLES for count, *_ in drawn]


def test_a_smaller_dense_model_beats_a_pruned_large_one():
    both = [tables([DENSE, LIGHT], "large"), tables([("dense", 0.0, 0.0, 25, 20.5)], "small")]
    memorization, perplexity = (
        pd.concat([part.astype({"model": str, "strategy": str}) for part in parts], ignore_index=True)
        for parts in zip(*both, strict=True)
    )
    table = frontier(*(in_order(part, ["large", "small"], ["light"]) for part in (memorization, perplexity)))
    assert table.beaten_by.tolist() == [None, "small dense", None]
    assert table.on_frontier.tolist() == [True, False, True]
    assert frontier(memorization.head(0), perplexity).columns.to_list() == table.columns.to_list()
