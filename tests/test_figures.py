"""Figures of many models, strategies and numbers: each series is told apart, and all of it has room."""

import numpy as np
import pandas as pd
import pytest

from memprune.figures import (
    plot_context_length,
    plot_duplicates,
    plot_equal_terms,
    plot_frontier,
    plot_heads,
    plot_model_size,
    plot_sparsity,
    plot_trade_off,
    style,
)
from memprune.figures.palette import COLOURS
from memprune.findings.frontier import frontier, variant_names

CONTEXT_LENGTHS = [50, 100]


def test_no_two_of_many_series_look_alike():
    looks = style.looks([str(number) for number in range(245)])
    assert len({(look["color"], look["marker"], str(look["linestyle"])) for look in looks.values()}) == 245
    first = list(looks.values())[:7]
    assert [look["color"] for look in first] == list(COLOURS)
    assert [look["marker"] for look in first] == list(style.MARKERS)
    assert {look["linestyle"] for look in first} == {"-"}
    marks = {(look["color"], look["marker"]) for look in list(looks.values())[:42]}
    assert len(marks) == 42  # where there is no line, too


@pytest.mark.slow
@pytest.mark.filterwarnings("error:constrained_layout")
@pytest.mark.parametrize(("models", "strategies"), [(12, 2), (1, 20)])
def test_figures_of_many_models_or_strategies_have_room(models, strategies, tmp_path):
    names = [f"model-with-a-long-name-of-its-own-{number}" for number in range(models)]
    pruned = [f"strategy-with-a-long-name-{number}" for number in range(strategies)]
    rows = [
        (model, strategy, level, level, level / 4, k, n, 8, 4, 0.5, 0.1, 0.9, 20.0 + level, False, True)
        for model in names
        for strategy, level in [("dense", 0.0), *((strategy, 0.3) for strategy in pruned)]
        for k in CONTEXT_LENGTHS
        for n in (1, 2)
    ]
    columns = [
        "model", "strategy", "level", "sparsity", "removed", "context_length", "duplicates", "samples",
        "extracted", "fraction", "ci_low", "ci_high", "token_perplexity", "collapsed", "on_frontier",
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=columns).assign(target=None)
    table["variant_bytes"] = 1000 * (1 - table.removed)
    once = table[table.duplicates == 1]
    perplexity = once[once.context_length == 50][[*plot_trade_off.PERPLEXITY]]
    zeros = pd.DataFrame({"layer": [0], "role": ["up"], "sparsity": [0.3]})
    weights = {name: 10**6 * (number + 1) for number, name in enumerate(names)}
    for figure in (
        plot_trade_off.plot(once, perplexity, names, pruned),
        plot_context_length.plot(once, names, pruned),
        plot_model_size.plot(once, weights, pruned),
        plot_duplicates.plot(table, names, pruned),
        plot_sparsity.plot({f"{strategy}@0.3": zeros for strategy in pruned}, names[0]),
        *(plot_equal_terms.plot(once, quantity, names, pruned) for quantity in plot_equal_terms.QUANTITIES),
        plot_frontier.plot(once, names, pruned),
    ):
        figure.draw_without_rendering()  # a layout that does not fit is a warning, here an error
        whole = figure.bbox
        for legend in [*figure.legends, *(axes.get_legend() for axes in figure.axes if axes.get_legend())]:
            box = legend.get_window_extent()
            assert whole.x0 <= box.x0 < box.x1 <= whole.x1 + 1
            assert whole.y0 <= box.y0 < box.y1 <= whole.y1 + 1


def test_figures_show_the_models_that_they_are_given_and_no_control():
    rows = [
        (model, "dense", 0.0, "drawn", k, 0.5, 0.1, 0.9) for model in ("big", "once") for k in CONTEXT_LENGTHS
    ]
    table = pd.DataFrame(rows, columns=plot_model_size.COLUMNS)
    [axes] = plot_model_size.plot(table, {"big": 10**6}, ["global"]).axes
    assert [line.get_xdata().tolist() for line in axes.get_lines()] == [[10**6], []]
    assert len(plot_context_length.plot(table, ["big"], ["global"]).axes) == 1


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("perplexity_there", [199, 201, 1e5, 1e200, float("inf"), float("nan")])
def test_the_trade_off_of_a_collapsed_model_is_drawn_or_counted(perplexity_there):
    levels = pd.DataFrame({"model": "m", "strategy": ["dense", "s", "s"], "level": [0.0, 0.3, 0.6]})
    levels = levels.assign(removed=levels.level, target=None)
    perplexity = levels.assign(token_perplexity=[20.0, 30.0, perplexity_there])
    figure = plot_trade_off.plot(levels.assign(context_length=50, fraction=0.1), perplexity, ["m"], ["s"])
    figure.draw_without_rendering()
    [axes] = figure.axes
    drawn = axes.get_lines()[0].get_xdata().tolist()
    near = perplexity_there <= 200
    assert drawn == [20, 30, perplexity_there][: 3 if near else 2]
    assert ("1 of more than 10 times the dense one" in axes.get_xlabel()) == (not near)


def test_a_marker_in_the_trade_off_has_the_area_of_the_share_removed():
    levels = pd.DataFrame({"model": "m", "strategy": ["dense", "s", "s", "t"], "level": [0, 0.3, 0.6, 0.3]})
    levels = levels.assign(removed=[0, 0.3, 0.6, 0.1], target=None)
    perplexity = levels.assign(token_perplexity=[20.0, 30.0, 40.0, 25.0])
    table = levels.assign(context_length=50, fraction=0.1)
    [axes] = plot_trade_off.plot(table, perplexity, ["m"], ["s", "t"]).axes
    s, t, *examples = [markers.get_sizes().tolist() for markers in axes.collections]
    assert s[1] == pytest.approx(2 * s[0])
    assert s[0] == pytest.approx(3 * t[0])
    labels = [markers.get_label() for markers in axes.collections[2:]]
    assert labels == ["3 % removed", "10 % removed", "30 % removed"]
    assert examples[1:] == [t, s[:1]]


def test_heads_stand_at_their_places_relative_to_the_dense_model():
    heads = {"a": (0, 0), "b": (0, 1), "c": (2, 1)}
    rows = [("dense", 0.0, 0.4, 20.0), ("a", 1.0, 0.1, 30.0), ("b", 1.0, 0.5, 10.0), ("c", 1.0, 0.4, np.inf)]
    rows.append(("a", 0.5, 0.0, 99.0))  # no ablation
    table = pd.DataFrame(rows, columns=["strategy", "level", "fraction", "token_perplexity"])
    table = table.assign(model="m", target=None)
    memorization = pd.concat([table.assign(context_length=k) for k in CONTEXT_LENGTHS])
    figure = plot_heads.plot(memorization, table, "m", heads)
    figure.draw_without_rendering()
    lost, ratio = (axes.images[0].get_array().filled(np.nan) for axes in figure.axes[:2])
    np.testing.assert_allclose(lost, [[-0.3, 0.1], [np.nan, np.nan], [np.nan, 0]], atol=1e-12)
    np.testing.assert_allclose(ratio, [[1.5, 0.5], [np.nan, np.nan], [np.nan, np.nan]])
    texts = [[text.get_text() for text in axes.texts] for axes in figure.axes[:2]]
    assert texts == [["−30.0", "+10.0", "+0.0"], ["1.50", "0.50"]]


COSTS = {"dense": [20.0], "s": [22.0, 30.0, 1e9], "t": [21.0, 25.0, float("inf")]}


def points(models=("m",), strategies=("s", "t"), collapsed=()) -> pd.DataFrame:
    """A table `frontier` in which the third level of each strategy has perplexities that nobody draws."""
    rows = [
        (model, strategy, 0.2 * place, 0.2 * place, 0.1 * place, k, 0.4 / (1 + place), cost)
        for model in models
        for strategy in ("dense", *strategies)
        for place, cost in enumerate(COSTS[strategy], strategy != "dense")
        for k in CONTEXT_LENGTHS
    ]
    names = [
        "model",
        "strategy",
        "level",
        "sparsity",
        "removed",
        "context_length",
        "fraction",
        "token_perplexity",
    ]
    table = pd.DataFrame(rows, columns=names).assign(target=None, extracted=4, samples=8)
    table["variant_bytes"] = 1000 * (1 - table.removed)
    table = table.assign(ci_low=table.fraction / 2, ci_high=table.fraction + 0.1)
    table["collapsed"] = [level in collapsed for level in table.level.round(1)]
    return frontier(table.drop(columns="token_perplexity"), table[table.context_length == 50])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("quantity", plot_equal_terms.QUANTITIES)
@pytest.mark.parametrize("collapsed", [(), (0.4,), (0.2,)])
def test_curves_on_equal_terms_end_before_a_collapsed_level(quantity, collapsed):
    figure = plot_equal_terms.plot(points(collapsed=collapsed), quantity, ["m"], ["s", "t"])
    figure.draw_without_rendering()
    [axes] = figure.axes
    s, t, dense = axes.get_lines()
    kept = {(): 3, (0.4,): 1, (0.2,): 0}[collapsed]
    start, step = {"sparsity": (0, 0.2), "removed": (0, 0.1), "bytes": (0, 0.1), "perplexity": (1, 0)}[
        quantity
    ]
    drawn = [start + step * place for place in range(1 + kept)] if step else [1, 1.1, 1.5, 5e7][: 1 + kept]
    assert list(s.get_xdata()) == pytest.approx(drawn)
    assert s.get_ydata()[: 1 + kept] == pytest.approx([0.4, 0.2, 0.4 / 3, 0.1][: 1 + kept])
    assert len(t.get_xdata()) == 1 + min(kept, 2)  # infinite perplexity ends a curve too
    assert (list(dense.get_xdata()), list(dense.get_ydata())) == ([start], [0.4])
    left_out = 6 - kept - min(kept, 2)
    assert f"left out: {left_out} from" in axes.get_xlabel()
    low, high = axes.get_xlim()
    assert low <= min(drawn) <= max(drawn) <= high


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("models", [("m",), ("m", "n")])
def test_dense_models_alone_are_drawn(models):
    table = points(models, strategies=())
    for quantity in plot_equal_terms.QUANTITIES:
        figure = plot_equal_terms.plot(table, quantity, models, [])
        figure.draw_without_rendering()
        assert all(list(axes.get_lines()[0].get_ydata()) == [0.4] for axes in figure.axes)
    figure = plot_frontier.plot(table, models, [])
    figure.draw_without_rendering()
    assert {text.get_text() for text in figure.axes[0].texts} >= set(models)


@pytest.mark.filterwarnings("error")
def test_the_frontier_is_ringed_numbered_and_explained():
    table = points(("m", "n"), collapsed=(0.6,))
    figure = plot_frontier.plot(table, ["m", "n"], ["s", "t"])
    figure.draw_without_rendering()
    [axes], [legend] = figure.axes, figure.legends
    shown = table[(table.context_length == 100) & table.on_frontier]
    rings = [line for line in axes.get_lines() if line.get_markersize() == plot_frontier.RING["markersize"]]
    at = sorted(zip(shown.token_perplexity, shown.fraction, strict=True))
    assert [(*line.get_xdata(), *line.get_ydata()) for line in rings] == at
    numbers = [text.get_text() for text in axes.texts if text.get_text().isdigit()]
    assert numbers == [str(number) for number in range(1, len(shown) + 1)]
    explained = [" ".join(text.get_text().split()) for text in legend.get_texts()]
    assert explained[: -len(shown)] == ["s", "t", "dense models", "the frontier"]
    assert sorted(explained[-len(shown) :]) == sorted(variant_names(shown))
    assert "left out: 4 collapsed" in axes.get_xlabel()


def test_ticks_of_many_numbers_are_apart():
    assert style.apart([1, 2, 4, 8, 16, 32, 64, 128]) == [1, 2, 4, 8, 16, 32, 64, 128]
    assert style.apart([50, 100, 200, 500]) == [50, 100, 200, 500]
    many = style.apart(range(1, 1000))
    assert many[0] == 1
    assert len(many) <= style.TICKS + 1
    assert style.apart([]) == []
