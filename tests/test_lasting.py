"""Whether forgetting lasts, against plain loops and statsmodels; chains in tables and figures."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import vl_convert
from chain_measures import (
    CONTEXT_LENGTHS,
    METHODS,
    MODELS,
    SAMPLES,
    SHARES,
    STRATEGIES,
    chain_members,
    chain_perturbed,
    chain_windows,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from measure_files import TEXTS, write_measure_files
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from memprune.errors import UserError
from memprune.figures import plot_equal_terms, plot_lasting, plot_trade_off
from memprune.findings.aggregate_tables import write_tables
from memprune.findings.attacks import LONGER, NOT_STRATEGIES, PERTURBED, SAMPLED
from memprune.findings.frames import read_csv, variant_label
from memprune.findings.kinds_of_set import DRAWN, naming_set
from memprune.findings.lasting_table import lasting_table
from memprune.findings.perplexity_table import perplexity_table
from memprune.findings.strategy_methods import level_in_words
from memprune.findings.write_findings import findings
from memprune.report.charts.lasting_chart import lasting_chart, lasting_frame
from memprune.results import read_csv as results_csv

UNPUBLISHED = {"sources": [], "experiment": {}}
DISCOVERABLE = "discoverable_n100_p0.5"


def members_of(generator: np.random.Generator | None = None) -> pd.DataFrame:
    rows = chain_members(generator)
    return rows[rows.split == "member"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    kinds = {"memorization": chain_members(), "perplexity": chain_windows(), "perturbed": chain_perturbed()}
    files = {kind: write_measure_files(rows, kind, folder) for kind, rows in kinds.items()}
    write_tables(
        files["memorization"], files["perplexity"], MODELS, STRATEGIES, {}, TEXTS, UNPUBLISHED, folder,
        {"perturbed": files["perturbed"]}, METHODS,
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def tables(folder) -> dict[str, pd.DataFrame]:
    return {path.stem: read_csv(path) for path in folder.glob("*.csv")}


def extracted_by(rows: pd.DataFrame, column: str = "extracted") -> dict[tuple[str, str], dict[int, bool]]:
    """By model and variant, whether each sample is extracted."""
    found: dict = {}
    for row in rows.assign(variant=variant_label(rows)).to_dict("records"):
        found.setdefault((row["model"], row["variant"]), {})[row["sample"]] = row[column]
    return found


def recounted(row: dict, members: pd.DataFrame, perturbed: pd.DataFrame) -> list[int]:
    """The counts of a row of the table, sample by sample."""
    at_k = members[members.context_length == row["context_length"]]
    plain, key = extracted_by(at_k), (row["model"], row["variant"])
    attack, level = row["attack"], row["attack_level"]
    if attack == SAMPLED:
        assert level == "n = 100, p = 0.5"
        attacked = extracted_by(at_k, DISCOVERABLE)[key]
    elif attack == LONGER:
        attacked = extracted_by(members[members.context_length == int(level.split()[0])])[key]
    elif attack == PERTURBED:
        share = float(level.split()[0]) / 100
        own = perturbed[np.isclose(perturbed.share, share) & (perturbed.split == "member")]
        attacked = extracted_by(own)[key]
    else:
        assert METHODS[attack]["after"] == row["variant"]
        attacked = plain[row["model"], f"{attack}@{level.split()[0]}"]
    before, after = plain[row["model"], "dense"], plain[key]
    stages = [(before[sample], after[sample], attacked[sample]) for sample in before]
    return [
        sum(own[0] for own in stages), sum(own[1] for own in stages), sum(own[2] for own in stages),
        sum(own[0] and not own[1] for own in stages),
        sum(own[0] and not own[1] and own[2] for own in stages),
        sum(own[2] and not own[0] and not own[1] for own in stages),
        sum(own[1] and not own[2] for own in stages), sum(own[2] and not own[1] for own in stages),
    ]  # fmt: skip


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_every_count_and_test_is_that_of_a_plain_recount(seed):
    generator = np.random.default_rng(seed)
    members, perturbed = members_of(generator), chain_perturbed(generator)
    table = lasting_table(members, perplexity_table(chain_windows()), METHODS, perturbed)
    rows = table.assign(variant=variant_label(table)).to_dict("records")
    for row in rows[:: max(1, len(rows) // 25)]:
        before, after, attacked, lost, came_back, newly, only_after, only_attacked = recounted(
            row, members, perturbed
        )
        assert [round(row[stage] * row["samples"]) for stage in ("before", "after", "attacked")] == [
            before, after, attacked,
        ]  # fmt: skip
        assert [row[name] for name in ("samples", "lost", "came_back", "newly")] == [
            SAMPLES, lost, came_back, newly,
        ]  # fmt: skip
        assert row["p_value"] == pytest.approx(mcnemar([[0, only_after], [only_attacked, 0]]).pvalue)
        assert row["difference"] == pytest.approx((attacked - after) / SAMPLES)
        if lost:
            low, high = proportion_confint(came_back, lost, method="wilson")
            assert [row["came_back_fraction"], row["came_back_ci_low"], row["came_back_ci_high"]] == (
                pytest.approx([came_back / lost, low, high])
            )
        else:
            assert np.isnan(row["came_back_fraction"])
    np.testing.assert_allclose(table.p_holm, multipletests(table.p_value, method="holm")[1])


def test_every_attack_is_there_once_with_the_perplexity_of_each_stage(tables):
    table = tables["lasting"]
    changed = 13  # variants of a model
    of_strategies = table[~table.attack.isin(NOT_STRATEGIES)]
    assert set(variant_label(of_strategies)) == {"global@0.5"}
    assert len(of_strategies) == len(MODELS) * len(CONTEXT_LENGTHS) * (3 + 2)
    assert table.attack.value_counts().loc[list(NOT_STRATEGIES)].to_dict() == {
        PERTURBED: len(MODELS) * changed * len(SHARES),
        LONGER: len(MODELS) * changed,
        SAMPLED: len(MODELS) * changed * len(CONTEXT_LENGTHS),
    }
    assert set(table[table.attack == LONGER].context_length) == {10}
    assert set(table[table.attack == PERTURBED].context_length) == {50}
    retrained = of_strategies[of_strategies.attack_level == "400 steps"]
    costs = retrained[["before_perplexity", "after_perplexity", "attacked_perplexity"]]
    np.testing.assert_allclose(costs, len(costs) * [[20.0, 30.0, 22.0]])
    assert of_strategies.dense_attacked.isna().all()
    assert table[table.attack.isin(NOT_STRATEGIES)].attacked_perplexity.isna().all()


def test_without_perturbed_prefixes_only_what_a_strategy_stands_after_is_attacked():
    table = lasting_table(members_of(), perplexity_table(chain_windows()), METHODS)
    assert set(variant_label(table)) == {"global@0.5"}
    assert set(table.attack) == {"gptq", "retrain", LONGER, SAMPLED}
    assert lasting_table(members_of(), perplexity_table(chain_windows()), {}).empty


def test_dense_models_alone_are_not_attacked(tmp_path):
    members, perturbed = (rows[rows.strategy == "dense"] for rows in (members_of(), chain_perturbed()))
    windows = chain_windows()
    table = lasting_table(members, perplexity_table(windows[windows.strategy == "dense"]), {}, perturbed)
    assert table.empty
    naming_set(table, DRAWN).to_csv(tmp_path / "lasting.csv", index=False)
    read = read_csv(tmp_path / "lasting.csv", plot_lasting.COLUMNS)
    plot_lasting.plot(read, MODELS, []).draw_without_rendering()
    nothing = SimpleNamespace(tables={"lasting": results_csv(tmp_path / "lasting.csv")})
    assert lasting_frame(nothing, pd.DataFrame({"model": MODELS, "variant": "dense"})).empty


def test_an_attack_on_other_samples_is_refused():
    perturbed = chain_perturbed()
    perturbed["sample"] = perturbed["sample"] + (perturbed.share == SHARES[0])
    with pytest.raises(UserError, match="found other samples or variants under an attack"):
        lasting_table(members_of(), perplexity_table(chain_windows()), METHODS, perturbed)


def test_the_findings_say_what_comes_back(tables):
    text = findings("chains", tables, METHODS)
    assert "## Does changing weights reduce memorization here?" in text
    assert "13 changed variants" in text
    assert "nan" not in text.lower()
    own = tables["lasting"].query("model == 'small' and attack == 'retrain' and context_length == 50")
    for row in own.itertuples():
        cost = row.attacked_perplexity / 20
        assert f"{row.came_back} of {row.lost} (" in text
        assert f"after retrain, {row.attack_level}, at {cost:.3g} times the dense perplexity" in text
    fitted = tables["memorization_fitted"].query("strategy == 'targeted' and context_length == 50").iloc[0]
    assert f"of those that it is fitted to it extracts {fitted.extracted} of {fitted.samples}" in text


def test_levels_are_compared_only_where_they_count_the_same(tables):
    pairs = tables["between_strategies"]
    pairs = set(zip(pairs.level, pairs["first"], pairs["second"], strict=True))
    assert pairs == {(bits, "gptq", "nearest") for bits in (3.0, 4.0, 8.0)}  # not svd@0.5 and global@0.5


def test_only_what_removes_weights_is_stalled(tables):
    verdicts = tables["verdicts"].set_index(["model", "strategy", "level"])
    own = verdicts.loc["small"]
    assert not own.loc[["gptq", "nearest", "retrain"]].verdict.str.contains("stalled").any()
    first = own.loc["gptq", 8.0]
    assert first.fraction_change == pytest.approx(first.fraction - own.loc["global", 0.5].fraction)
    second = own.loc["gptq", 4.0]
    assert second.fraction_change == pytest.approx(second.fraction - first.fraction)


def test_the_papers_layout_names_units_and_goes_from_the_lightest(folder):
    columns = pd.read_parquet(folder / "paper_layout.parquet").columns
    names = [name for name in columns if name.startswith(("gptq", "retrain", "svd", "global"))]
    assert names == [
        "global, 0.3", "global, 0.5", "gptq, 8 bits", "gptq, 4 bits", "gptq, 3 bits", "retrain, 100 steps",
        "retrain, 400 steps", "svd, 20 % of parameters", "svd, 50 % of parameters",
    ]  # fmt: skip


def test_curves_begin_at_what_a_strategy_changes(tables):
    sparsity, of_bytes = tables["at_equal_sparsity"], tables["at_equal_bytes"]
    assert set(sparsity.strategy) == {"global", "targeted"}
    chain = of_bytes[of_bytes.strategy == "gptq"]
    assert (chain.bytes_saved > 0.47).all()  # what global@0.5 has saved is not the chain's
    at_base = of_bytes[(of_bytes.strategy == "gptq") & ~of_bytes.interpolated]
    assert set(at_base.perplexity_ratio.round(3)) <= {1.505, 1.6, 2.5}
    perplexity = tables["at_equal_perplexity"].query("strategy == 'retrain' and perplexity_increase == 0.25")
    share = np.log(30 / 25) / np.log(30 / 24)  # of the way down from global@0.5 to 100 steps
    points = tables["memorization"].set_index(["model", "strategy", "level", "context_length"]).fraction
    for row in perplexity.itertuples():
        begin = points[row.model, "global", 0.5, row.context_length]
        end = points[row.model, "retrain", 100.0, row.context_length]
        assert row.fraction == pytest.approx(begin + share * (end - begin))
    assert len(perplexity) == len(MODELS) * len(CONTEXT_LENGTHS)


def test_figures_show_chains_from_where_they_begin(tables):
    figure = plot_lasting.plot(tables["lasting"], MODELS, STRATEGIES, METHODS)
    first, _ = figure.axes
    names = [label.get_text() for label in first.get_yticklabels()]
    assert "global, 50 %: gptq, 4 bits" in names
    assert "global, 50 %: longer context, 50 tokens (from 10)" in names
    equal = plot_equal_terms.plot(tables["frontier"], "bytes", MODELS, STRATEGIES, METHODS)
    lines = {line.get_label(): line for line in equal.axes[0].get_lines()}
    assert lines["gptq"].get_xdata().tolist() == pytest.approx([0.47, 0.71, 0.82, 0.85])
    assert not len(lines["retrain"].get_xdata())
    trade_off = plot_trade_off.plot(tables["memorization"], tables["perplexity"], MODELS, STRATEGIES, METHODS)
    lines = {line.get_label(): line for line in trade_off.axes[0].get_lines()}
    assert lines["nearest"].get_xdata().tolist() == pytest.approx([20, 20, 21.5, 28])
    assert lines["gptq"].get_xdata()[0] == pytest.approx(30)


@pytest.mark.parametrize(
    ("strategy", "label", "words"),
    [
        ("global", "0.3", "30 %"),
        ("gptq", "4", "4 bits"),
        ("svd", "0.2", "20 % of parameters"),
        ("retrain", "400", "400 steps"),
        ("svd", "perplexity+0.1", "perplexity +10 %"),
    ],
)
def test_levels_in_words(strategy, label, words):
    assert level_in_words(strategy, label, METHODS) == words


def test_the_chart_has_a_point_a_stage_of_each_attack(tables):
    table = tables["lasting"]
    own = SimpleNamespace(tables=tables)
    variants = tables["perplexity"][["model"]].assign(variant=variant_label(tables["perplexity"]))
    frame = lasting_frame(own, variants.reset_index(drop=True))
    stages = table[["before", "after", "attacked", "dense_attacked"]].notna().sum().sum()
    assert len(frame) == stages
    assert (frame.extracted / frame.samples).tolist() == pytest.approx(frame.fraction.tolist())
    assert frame[frame.attack.str.startswith("longer")].context_length.isna().all()
    rows = json.loads(frame.astype({"context_length": float}).to_json(orient="records"))
    [view] = lasting_chart()["views"]
    vl_convert.vegalite_to_vega({**view["spec"], "datasets": {"rows": rows}}, vl_version="6.4")
