"""Tables against scipy and plain arithmetic, and figures drawn from them."""

import pandas as pd
import pyarrow as pa
import pytest
from measure_files import TEXTS, write_measure_files
from random_measures import (
    CONTEXT_LENGTHS,
    LEVELS,
    MODELS,
    STRATEGIES,
    described,
    random_members,
    random_windows,
    variants,
)
from scipy.stats import binomtest

from memprune.errors import UserError
from memprune.figures import (
    plot_context_length,
    plot_duplicates,
    plot_model_size,
    plot_sparsity,
    plot_trade_off,
    style,
)
from memprune.findings import aggregate_tables, paper_layout
from memprune.findings.frames import VARIANT, read_csv
from memprune.findings.memorization_table import memorization_table
from memprune.findings.paired_tests import against_dense
from memprune.findings.perplexity_table import perplexity_table
from memprune.findings.strategy_methods import ALL_PRUNE

UNPUBLISHED = {"sources": [], "experiment": {}}  # nothing to compare with


@pytest.fixture(scope="module")
def memorization_measures() -> pd.DataFrame:
    return random_members()


@pytest.fixture(scope="module")
def perplexity_measures() -> pd.DataFrame:
    return random_windows()


def test_fractions_and_wilsons_intervals_equal_scipy(memorization_measures):
    table = memorization_table(memorization_measures)
    assert len(table) == len(variants()) * len(CONTEXT_LENGTHS)
    for row in table.itertuples():
        own = memorization_measures.query(
            "model == @row.model and strategy == @row.strategy and level == @row.level"
            " and context_length == @row.context_length"
        )
        assert (row.extracted, row.samples) == (own.extracted.sum(), 64)
        interval = binomtest(row.extracted, row.samples).proportion_ci(method="wilson")
        assert (row.ci_low, row.ci_high) == pytest.approx((interval.low, interval.high))
        assert row.fraction == row.extracted / 64
        assert row.token_accuracy == pytest.approx(own.token_accuracy.mean())
        assert row.matched == pytest.approx(own.matched.mean())
        assert row.probability == pytest.approx(own.probability.mean())
        assert row.near_tie == own.near_tie.sum()
        assert row.near_tie_fraction == row.near_tie / 64
        interval = binomtest(row.near_tie, row.samples).proportion_ci(method="wilson")
        assert (row.near_tie_ci_low, row.near_tie_ci_high) == pytest.approx((interval.low, interval.high))


def test_columns_are_the_known_ones_and_then_those_of_the_configured_metrics(memorization_measures):
    table = memorization_table(memorization_measures, ["subset"])
    shares = ["fraction", "ci_low", "ci_high"]
    assert table.columns.to_list() == [
        "model", "strategy", "level", "target", "sparsity", "removed", "variant_bytes", "subset",
        "context_length", "extracted", "samples", *shares, "token_accuracy", "matched",
        "discoverable_n10_p0.5", *(f"discoverable_n10_p0.5_{share}" for share in shares),
        "near_tie", *(f"near_tie_{share}" for share in shares), "probability",
        "compute_dtype",
    ]  # fmt: skip
    fewer = memorization_measures.drop(
        columns=["discoverable_n10_p0.5", "near_tie", "probability", "token_accuracy"]
    )
    assert memorization_table(fewer).columns.to_list()[-7:] == [
        "extracted", "samples", *shares, "matched", "compute_dtype",
    ]  # fmt: skip


def test_every_table_tells_what_variants_achieved(memorization_measures, perplexity_measures):
    for table in (
        memorization_table(memorization_measures),
        memorization_table(memorization_measures, ["duplicates"]),
        against_dense(memorization_measures),
        perplexity_table(perplexity_measures),
    ):
        for row in table.itertuples():
            expected = described(row.model, row.strategy, row.level)
            found = {name: getattr(row, name) for name in expected}
            assert pd.isna(found.pop("target"))
            assert found | {"target": None} == expected


def test_strata_add_up(memorization_measures):
    whole = memorization_table(memorization_measures)
    for stratum in ("duplicates", "subset"):
        parts = memorization_table(memorization_measures, [stratum])
        keys = ["model", "strategy", "level", "context_length"]
        sums = parts.groupby(keys, observed=True)[["extracted", "samples"]].sum().reset_index()
        pd.testing.assert_frame_equal(sums, whole[sums.columns])


def files_of(
    scores: pd.DataFrame, perplexity: pd.DataFrame, duplicates: pa.Array, folder
) -> tuple[list, list]:
    """The measures as files, with these duplicates, int32 as `measure` writes them."""
    counted = pd.array(duplicates.to_pylist(), dtype="Int32")
    rows = scores.assign(duplicates=counted, split="member", seed=0, pooled=True, document="d")
    return (
        write_measure_files(rows, "memorization", folder),
        write_measure_files(perplexity, "perplexity", folder),
    )


@pytest.mark.parametrize("known", ["all", "some", "none"])
def test_duplicates_that_nobody_counted_are_no_number(
    memorization_measures, perplexity_measures, known, tmp_path
):
    own = memorization_measures[memorization_measures.model == "small"]
    keep = {"all": lambda i: True, "some": lambda i: i % 2 == 0, "none": lambda i: False}[known]
    counted = pa.array([2 ** (i % 8) if keep(i) else None for i in own["sample"]], pa.int32())
    files = files_of(own, perplexity_measures[perplexity_measures.model == "small"], counted, tmp_path)
    aggregate_tables.write_tables(*files, ["small"], STRATEGIES, {}, TEXTS, UNPUBLISHED, tmp_path)
    lines = (tmp_path / "memorization_by_duplicates.csv").read_text().splitlines()
    cells = {line.split(",")[lines[0].split(",").index("duplicates")] for line in lines[1:]}
    numbers = {"all": {"1", "2", "4", "8", "16", "32", "64", "128"}, "some": {"1", "4", "16", "64"}}
    assert cells == numbers.get(known, set()) | ({""} if known != "all" else set())
    whole = read_csv(tmp_path / "memorization.csv", [*VARIANT, "extracted", "samples"])
    parts = read_csv(tmp_path / "memorization_by_duplicates.csv", ["extracted", "samples"])
    assert parts.sum().tolist() == whole[["extracted", "samples"]].sum().tolist()

    figure = plot_duplicates.plot(
        read_csv(tmp_path / "memorization_by_duplicates.csv", plot_duplicates.COLUMNS), ["small"], STRATEGIES
    )
    unknown = {"all": 0, "some": 32, "none": 64}[known]
    for axes in figure.axes:
        ticks = [tick.get_text() for tick in axes.get_xticklabels()]
        assert (ticks[-1] == "not known") == (unknown > 0)
        assert set(ticks) - {"not known"} == numbers.get(known, set())
        assert (f"(not known for {unknown} of 64 samples)" in axes.get_xlabel()) == (unknown > 0)
        assert {line.get_label() for line in axes.get_lines()} >= {"small"} or axes is figure.axes[1]


def test_names_that_look_like_numbers_or_nothing_stay_names(
    memorization_measures, perplexity_measures, tmp_path
):
    names = {
        "small": "007",
        "b_10%": "NA",
        "large": "1e5",
        "global": "null",
        "attention-only": "12",
        "dense": "dense",
    }

    def renamed(scores: pd.DataFrame) -> pd.DataFrame:
        return scores.assign(model=scores.model.map(names), strategy=scores.strategy.map(names))

    models, strategies = [names[m] for m in MODELS], [names[s] for s in STRATEGIES]
    scores = renamed(memorization_measures)
    counted = pa.array(scores.duplicates.tolist(), pa.int32())
    files = files_of(scores, renamed(perplexity_measures), counted, tmp_path)
    aggregate_tables.write_tables(*files, models, strategies, {}, TEXTS, UNPUBLISHED, tmp_path)
    memorization = read_csv(tmp_path / "memorization.csv", plot_context_length.COLUMNS)
    assert list(dict.fromkeys(memorization.model)) == models
    assert list(dict.fromkeys(memorization.strategy)) == ["dense", *strategies]
    figure = plot_context_length.plot(memorization, models, strategies)
    assert all(
        len(line.get_xdata()) == len(CONTEXT_LENGTHS) for axes in figure.axes for line in axes.get_lines()
    )
    layout = (tmp_path / "paper_layout.md").read_text()
    assert all(f"| {name} " in layout for name in models)


def test_levels_that_differ_late_are_columns_of_their_own(memorization_measures):
    levels = {0.2: 0.3, 0.4: 0.3000000001, 0.0: 0.0}
    large = memorization_measures[memorization_measures.model == "large"]
    table = memorization_table(large.assign(level=large.level.map(levels)))
    block = paper_layout.one_block("", table.assign(value=table.fraction), ALL_PRUNE)
    assert {"global, 0.3", "global, 0.3000000001"} <= set(block.columns)


@pytest.mark.parametrize(
    "damage", [lambda raw: raw[:-9], lambda raw: b"", lambda raw: b"PAR1" + raw[4:-4] + b"1RAP"]
)
def test_a_damaged_file_of_measures_is_one_line(memorization_measures, perplexity_measures, damage, tmp_path):
    counted = pa.array(memorization_measures.duplicates.tolist(), pa.int32())
    files = files_of(memorization_measures, perplexity_measures, counted, tmp_path)
    files[1][0].write_bytes(damage(files[1][0].read_bytes()))
    with pytest.raises(
        UserError, match=r"perplexity.parquet: cannot be read \(.*\); delete it and run ag"
    ) as caught:
        aggregate_tables.write_tables(*files, MODELS, STRATEGIES, {}, TEXTS, UNPUBLISHED, tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"model,level\nsmall,0.1\n", b"\xff\xfe", b'model,fraction\n"a,1'])
def test_a_damaged_table_is_one_line(content, tmp_path):
    (tmp_path / "memorization.csv").write_bytes(content)
    with pytest.raises(UserError, match=r"memorization.csv: cannot be read \(.*\); delete it") as caught:
        read_csv(tmp_path / "memorization.csv", ["model", "fraction"])
    assert "\n" not in str(caught.value)


def test_tables_keep_the_given_order(memorization_measures):
    table = memorization_table(memorization_measures)
    assert list(dict.fromkeys(table.model)) == MODELS
    assert list(dict.fromkeys(table.strategy)) == ["dense", *STRATEGIES]


def test_the_papers_layout(memorization_measures, perplexity_measures):
    memorization = memorization_table(memorization_measures)
    perplexity = perplexity_table(perplexity_measures)
    layout = paper_layout.paper_layout(memorization, perplexity)
    quantities = [f"memorization, k = {k}" for k in CONTEXT_LENGTHS]
    assert list(dict.fromkeys(layout.quantity)) == [
        *quantities, "memorization, mean over k", "token perplexity",
    ]  # fmt: skip
    assert layout.columns.to_list() == [
        "quantity", "model", "dense",
        "global, level 1", "global, level 2", "attention-only, level 1", "attention-only, level 2",
    ]  # fmt: skip
    by_quantity = {quantity: rows.set_index("model") for quantity, rows in layout.groupby("quantity")}
    for model in MODELS:
        own = memorization.query("model == @model and strategy == 'global' and level == @LEVELS[@model][1]")
        for row in own.itertuples():
            block = by_quantity[f"memorization, k = {row.context_length}"]
            assert block.loc[model, "global, level 2"] == row.fraction
        mean = by_quantity["memorization, mean over k"].loc[model, "global, level 2"]
        assert mean == pytest.approx(own.fraction.mean())

    markdown, latex = paper_layout.as_text(layout, "markdown"), paper_layout.as_text(layout, "latex")
    assert markdown.count("| small") == len(by_quantity)
    assert latex.count(r"\begin{tabular}") == latex.count(r"\caption{") == len(by_quantity)
    assert r"b\_10\%" in latex


def test_levels_that_all_models_share_stand_in_the_columns_of_the_papers_layout(memorization_measures):
    one = memorization_table(memorization_measures[memorization_measures.model == "large"])
    names = [f"{strategy}, {level:g}" for strategy in STRATEGIES for level in LEVELS["large"]]
    assert paper_layout.one_block("", one.assign(value=one.fraction), ALL_PRUNE).columns.to_list()[2:] == [
        "dense",
        *names,
    ]


def test_figures_are_written_as_svg_and_png(memorization_measures, perplexity_measures, tmp_path):
    memorization = memorization_table(memorization_measures)
    by_duplicates = memorization_table(memorization_measures, ["duplicates"])
    statistics = pd.DataFrame(
        [(layer, role, 0.3) for layer in range(4) for role in ("query_key_value", "up")],
        columns=["layer", "role", "sparsity"],
    )
    weights = {"small": 300_000, "b_10%": 10**6, "large": 5 * 10**6}
    figures = {
        "trade_off": plot_trade_off.plot(
            memorization, perplexity_table(perplexity_measures), MODELS, STRATEGIES
        ),
        "context_length": plot_context_length.plot(memorization, MODELS, STRATEGIES),
        "model_size": plot_model_size.plot(memorization, weights, STRATEGIES),
        "duplicates": plot_duplicates.plot(by_duplicates, MODELS, STRATEGIES),
        "sparsity": plot_sparsity.plot({"global@0.3": statistics}, "small"),
    }
    for name, figure in figures.items():
        svg, png = tmp_path / f"{name}.svg", tmp_path / f"{name}.png"
        style.save(figure, svg, png)
        assert svg.read_text().startswith("<?xml")
        assert png.read_bytes().startswith(b"\x89PNG")


def test_the_trade_offs_lines_start_at_the_dense_model(memorization_measures, perplexity_measures):
    memorization = memorization_table(memorization_measures)
    perplexity = perplexity_table(perplexity_measures)
    figure = plot_trade_off.plot(memorization, perplexity, MODELS, STRATEGIES)
    dense = perplexity.query("model == 'large' and strategy == 'dense'").token_perplexity.item()
    lines = {line.get_label(): line.get_xydata() for line in figure.axes[2].get_lines()}
    assert set(lines) == {*STRATEGIES, "dense"}
    for strategy in STRATEGIES:
        own = perplexity.query("model == 'large' and strategy == @strategy").token_perplexity
        assert lines[strategy][:, 0].tolist() == [dense, *own]
