"""The report's charts: their numbers are the tables', their specifications Vega-Lite's own."""

import json

import altair as alt
import numpy as np
import pandas as pd
import pytest
import vl_convert
from chart_results import LAYERS, ROLES, WEIGHTS, fabricated
from random_measures import CONTEXT_LENGTHS, MODELS, STRATEGIES

from memprune.figures import style
from memprune.findings.frames import variant_label
from memprune.report.blobs import blob
from memprune.report.charts.all_charts import all_charts, usual_level
from memprune.report.charts.chart_frames import heads_frame
from memprune.report.charts.head_costs import head_costs
from memprune.report.charts.membership_chart import membership_chart
from memprune.report.charts.panels import look

CHARTS = [
    "trade_off", "at_equal", "context_length", "model_size", "duplicates", "subset", "categories", "zeros",
    "excess",
]  # fmt: skip


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    return fabricated(tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="module")
def content(own) -> dict:
    return all_charts(own, MODELS, STRATEGIES, {})


def frame(content: dict, name: str) -> pd.DataFrame:
    """A frame as the page joins it: what is known of its variant beside each row."""
    variants, rows = (
        pd.DataFrame(dict(zip(own["columns"], own["values"], strict=True)), dtype=object)
        for own in (content["frames"]["variants"], content["frames"][name])
    )
    return rows.join(variants, on="of") if "of" in rows else rows


def test_a_chart_says_what_it_shows_from_which_file_and_what_an_empty_one_would_say(content):
    assert [chart["name"] for chart in content["charts"]] == CHARTS
    for chart in content["charts"]:
        assert all(chart[name] for name in ("title", "caption", "source", "empty", "views"))
        assert chart["frame"] in content["frames"]
        assert ("select" in chart) == (len(chart["views"]) > 1)
        columns = set(frame(content, chart["frame"]).columns)
        assert {need for view in chart["views"] for need in view["needs"]} <= columns
        assert {chart.get("choose", "model")} <= columns | {"name"}


def test_specifications_are_vega_lites_and_compile(content):
    charts = [(chart, frame(content, chart["frame"])) for chart in content["charts"]]
    of_variant = {"model": "large", "strategy": "global", "verdict": "sound", "sparsity": 0.3, "order": 1}
    head = {"layer": 0, "head": 1, "change": -0.1, "perplexity_ratio": 1.1}
    score = {"auc": 0.7, "auc_ci_low": 0.6, "auc_ci_high": 0.8}
    charts += [
        (head_costs(0.1, MODELS), pd.DataFrame([of_variant | head])),
        (membership_chart(MODELS), pd.DataFrame([of_variant | score])),
    ]
    for chart, rows in charts:
        given = {"datasets": {"rows": json.loads(rows.assign(line="global").to_json(orient="records"))}}
        for view in chart["views"]:
            alt.Root.validate(view["spec"])
            compiled = vl_convert.vegalite_to_vega({**view["spec"], **given}, vl_version="6.4")
            assert any(own.get("values") for own in compiled["data"])


def test_the_numbers_are_those_of_the_tables(own, content):
    for name, table, keys in (
        ("memorization", "memorization", []),
        ("by_duplicates", "memorization_by_duplicates", ["duplicates"]),
        ("by_subset", "memorization_by_subset", ["subset"]),
        ("by_category", "categories", ["feature", "category"]),
    ):
        expected = own.tables[table]
        expected = expected.assign(variant=variant_label(expected))
        same = ["model", "variant", "context_length", "extracted", "samples", "fraction", "ci_low", "ci_high"]
        shown = frame(content, name)
        for column in [*same, "sparsity", "removed", *keys]:
            known = expected[column].notna()
            assert shown[column][known].tolist() == expected[column][known].tolist()
            assert shown[column][~known].isna().all()
    excess = own.tables["excess"].query("by == 'all'")
    assert frame(content, "excess").excess.tolist() == excess.excess.tolist()
    perplexity = own.tables["perplexity"]
    shown = frame(content, "variants")
    finite = perplexity.perplexity_ratio.map(np.isfinite)
    assert shown.perplexity_ratio[finite].tolist() == perplexity.perplexity_ratio[finite].tolist()
    assert shown.weights.tolist() == perplexity.model.map(WEIGHTS).tolist()


def test_categories_are_drawn_a_feature_at_a_time_in_the_order_of_the_table(own, content):
    [chart] = [chart for chart in content["charts"] if chart["name"] == "categories"]
    table = own.tables["categories"]
    assert [view["only"] for view in chart["views"]] == [
        {"feature": "compression_ratio"},
        {"feature": "form"},
    ]
    for view in chart["views"]:
        rows = table[table.feature == view["only"]["feature"]]
        names = rows.category.where(rows.category.notna(), "not known")
        for layer in view["spec"]["spec"]["layer"]:
            assert layer["encoding"]["y"]["sort"] == list(dict.fromkeys(names))


def test_what_has_collapsed_is_called_so_and_ends_its_curve(content):
    rows = frame(content, "memorization")
    collapsed = rows[rows.verdict == "collapsed"]
    assert set(zip(collapsed.model, collapsed.variant, strict=True)) == {
        ("large", "global@0.4"),
        ("large", "attention-only@0.4"),
    }
    assert collapsed.on_curve.isna().all()
    assert rows[rows.verdict != "collapsed"].on_curve.eq(True).all()
    infinite = rows[rows.variant == "attention-only@0.4"].query("model == 'large'")
    assert infinite.perplexity_ratio.isna().all()
    layers = [layer.get("name", "") for layer in content["charts"][0]["views"][0]["spec"]["spec"]["layer"]]
    assert layers.count("collapsed") == 1


def test_charts_begin_with_a_sound_level_that_most_variants_have(own, content):
    assert {chart["initial"] for chart in content["charts"]} == {"30 %"}
    variants = frame(content, "variants")
    assert usual_level(variants.assign(verdict="collapsed")) == "30 %"
    assert usual_level(variants[variants.strategy == "dense"]) is None


def test_zeros_are_those_of_every_mask(content):
    rows = frame(content, "zeros")
    assert len(rows) == len(MODELS) * len(STRATEGIES) * 2 * LAYERS * len(ROLES)
    assert (rows.share_pruned == rows.zeros / rows.matrix_weights).all()


def test_duplicates_that_nobody_counted_stand_beyond_the_others(content):
    rows = frame(content, "by_duplicates")
    unknown = rows.duplicates.isna()
    assert unknown.any()
    assert (rows.place[unknown] == 4 * 128).all()
    assert (rows.place[~unknown] == rows.duplicates[~unknown]).all()
    blob(content)  # all of it is JSON


def test_heads_stand_at_their_places_relative_to_the_dense_model():
    rows = [("dense", None, 0.4), ("a", "100 %", 0.1), ("b", "100 %", 0.5), ("a", "50 %", 0.0)]
    variants = pd.DataFrame(rows, columns=["strategy", "at", "fraction"]).assign(model="m")
    parts = [
        variants[["fraction"]].assign(context_length=k, on_curve=True, of=range(4)) for k in CONTEXT_LENGTHS
    ]
    heads = {"m": {"a": [0, 1], "b": [2, 0]}}
    found = heads_frame(variants, pd.concat(parts, ignore_index=True), heads)
    assert found[["of", "layer", "head"]].to_numpy().tolist() == 2 * [[1, 0, 1], [2, 2, 0]]
    np.testing.assert_allclose(found.change, 2 * [-0.3, 0.1])


def test_no_strategy_and_one_model_still_have_charts_of_the_dense_model(own):
    content = all_charts(own, MODELS[:1], [], {})
    assert set(frame(content, "variants").model) == {"small"}
    assert [chart["name"] for chart in content["charts"]] == CHARTS


def test_strategies_look_as_they_do_in_figures():
    figures = style.looks([str(number) for number in range(245)]).values()
    charts = [look(number) for number in range(245)]
    assert [own["color"] for own in figures] == [colour for colour, *_ in charts]
    assert len({json.dumps(own) for own in charts}) == 245
