"""How metrics rank the same variants: against scipy, where nothing can be told, in a figure and in words."""

import re

import numpy as np
import pandas as pd
import pytest
from experiments import local_experiment
from measure_files import TEXTS, write_measure_files
from random_measures import MODELS, STRATEGIES, both_splits, random_windows
from scipy.stats import bootstrap, spearmanr
from text_measures import random_generation, random_membership, random_tasks

from memprune.figures import plot_agreement, style
from memprune.findings.aggregate_tables import write_tables
from memprune.findings.agreement import agreement, correlated, pairs
from memprune.findings.frames import read_csv
from memprune.findings.metric_values import metric_values
from memprune.findings.metrics_table import metrics_table
from memprune.findings.perplexity_table import perplexity_table
from memprune.findings.write_findings import findings
from memprune.planning.tables import table_names, tables_in_words

QUESTION = "## What do perplexity and exact match not show?"


def given(generation: pd.DataFrame, windows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    metrics = [*metric_values(generation), *metric_values(random_tasks())]
    return metrics_table(metrics), perplexity_table(windows)


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """The folder of all tables of random measures of every kind, controls left out, and the tables read."""
    folder = tmp_path_factory.mktemp("tables")
    files = [
        write_measure_files(rows, kind, folder)
        for kind, rows in {"memorization": both_splits(), "perplexity": random_windows()}.items()
    ]
    kinds = {"generation": random_generation(), "membership": random_membership(), "tasks": random_tasks()}
    texts = {kind: write_measure_files(rows, kind, folder) for kind, rows in kinds.items()}
    write_tables(*files, MODELS, STRATEGIES, {}, TEXTS, {"sources": [], "experiment": {}}, folder, texts)
    return folder, {path.stem: read_csv(path) for path in folder.glob("*.csv")}


def test_the_tables_are_those_that_the_configuration_asks_for(tables, tmp_path):
    folder, _ = tables
    kinds = {"generation": {}, "tasks": ["lambada_openai"], "membership": {}}
    whole = local_experiment(tmp_path, **kinds)
    assert {path.stem for path in folder.glob("*.csv")} == set(table_names(whole)) - {"categories"}
    own = set(table_names(whole)) - set(table_names(local_experiment(tmp_path)))
    assert own >= {"metrics_between_strategies", "agreement"}
    assert set(tables_in_words(whole)) <= set(table_names(whole))


def test_rank_correlations_are_scipys():
    metrics, perplexity = given(random_generation(), random_windows())
    table = agreement(metrics, perplexity)
    assert table.model.unique().tolist() == [*MODELS, "all"]
    row = table.query(
        "model == 'all' and first == 'token_perplexity' and second == 'bleu' and second_of == 'non_member'"
    ).iloc[0]
    bleu = metrics.query("metric == 'bleu' and of == 'non_member'")["mean"].to_numpy()
    expected = spearmanr(perplexity.token_perplexity, bleu)
    assert (row.variants, row.spearman) == (15, pytest.approx(expected.statistic))
    assert row.p_value == pytest.approx(expected.pvalue)
    assert row.spearman_ci_low < row.spearman < row.spearman_ci_high


def test_the_interval_of_a_correlation_is_near_the_bootstraps():
    generator = np.random.default_rng(0)
    first = generator.normal(size=200)
    second = first + generator.normal(size=200)
    n, r, low, high, _ = correlated(first, second)
    found = bootstrap(
        (first, second), lambda a, b: spearmanr(a, b).statistic, paired=True, vectorized=False,
        n_resamples=999, method="percentile", rng=0,
    ).confidence_interval  # fmt: skip
    assert (n, low < r < high) == (200, True)
    assert (low, high) == pytest.approx((found.low, found.high), abs=0.03)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([1, 2, 3, 4, 5], [5, 4, 3, 2, 1], (5, -1, None, 2 / 120)),
        ([1, 2, np.inf, 4, 5], [1, 2, 9, 4, 5], (5, 1, None, 2 / 120)),
        ([1, 2, 3], [1, 2, 3], (3, 1, None, 1 / 3)),
        ([1, 2], [2, 1], (2, -1, None, 1)),
        ([1, 1, 1, 1, 1], [1, 2, 3, 4, 5], (5, None, None, None)),
        ([np.nan, 2.0], [1, 2], (1, None, None, None)),
        ([], [], (0, None, None, None)),
    ],
)
def test_where_nothing_can_be_told_it_is_null(first, second, expected):
    n, r, low, high, p_value = correlated(np.array(first, float), np.array(second, float))
    known = [None if np.isnan(value) else pytest.approx(value) for value in (r, low, p_value)]
    assert (n, *known) == expected
    assert np.isnan(low) == np.isnan(high)


def test_infinite_perplexity_is_a_rank_like_any_other():
    windows = random_windows()
    collapsed = (windows.model == "small") & (windows.strategy == "global")
    windows["nll"] = windows.nll.mask(collapsed, np.inf)
    with np.errstate(invalid="ignore"):
        table = agreement(*given(random_generation(), windows))
    assert table[table["first"] == "token_perplexity"].spearman.notna().all()


def test_pairs_are_those_with_perplexity_a_task_or_rouge():
    names = [
        ("token_perplexity", "windows"),
        ("bleu", "member"),
        ("rouge_l", "member"),
        ("acc", "t"),
        ("distinct_2", "member"),
    ]
    found = {(first[0], second[0]) for first, second in pairs(names)}
    assert ("bleu", "distinct_2") not in found
    assert len(found) == 9


def test_the_findings_say_what_perplexity_does_not_show(tables):
    _, read = tables
    text = findings("tiny", read)
    assert text.count(QUESTION) == 1
    assert "nan" not in text.lower()
    row = (
        read["agreement"]
        .query("model == 'all' and second == 'rouge_l' and second_of == 'non_member'")
        .iloc[0]
    )
    said = f"{row.spearman:+.2f}".replace("-", "−")
    assert re.search(rf"{re.escape(said)} \([^;]*\) with ROUGE-L on text never seen", text)
    own = (
        read["metrics"]
        .query("model == 'small' and strategy == 'dense' and of == 'member'")
        .set_index("metric")
    )
    counts = [round(own["mean"][name] * 30) for name in ("exact", "near_verbatim_5", "near_verbatim_10")]
    assert "dense gives back {} exactly, {} within 5 % and {} within 10 %".format(*counts) in text
    cloze = read["metrics"].query(
        "model == 'large' and strategy == 'dense' and of == 'cloze' and metric == 'acc'"
    )
    assert f"acc of cloze is {round(cloze['mean'].item() * 40)} of 40" in text


def test_membership_is_said_where_its_table_is(tables):
    _, read = tables
    names = ["auc", "auc_ci_low", "auc_ci_high", "auc_change", "auc_change_ci_low", "auc_change_ci_high"]
    own = read["verdicts"][["model", "strategy", "level", "target"]].assign(score="loss")
    own[names] = [0.61, 0.5, 0.7, -0.04, -0.1, 0.02]
    text = findings("tiny", read | {"membership": own})
    assert text.count("by the loss members are told from non-members with AUC 0.61 (0.50 to 0.70) dense") == 3
    assert "a change of −0.04 (−0.10 to +0.02)" in text


@pytest.mark.filterwarnings("error")
def test_the_figure_has_a_panel_a_metric_with_its_correlation(tables, tmp_path):
    folder, read = tables
    columns = {
        "metrics": plot_agreement.METRICS,
        "perplexity": plot_agreement.COSTS,
        "agreement": plot_agreement.AGREEMENT,
    }
    given = [read_csv(folder / f"{name}.csv", own) for name, own in columns.items()]
    figure = plot_agreement.plot(*given, MODELS, STRATEGIES)
    figure.draw_without_rendering()
    titles = [axes.get_title().split("\n") for axes in figure.axes]
    assert [title for title, _ in titles] == [
        "ROUGE-L, text never seen", "BLEU, text never seen", "repeated 4-grams, text never seen",
        "ROUGE-L, members", "BLEU, members", "choice, acc", "cloze, acc", "members extracted",
    ]  # fmt: skip
    drawn = [sum(len(points.get_offsets()) for points in axes.collections) for axes in figure.axes]
    assert drawn == [15] * 8
    row = read["agreement"].query("model == 'all' and second == 'extracted'").iloc[0]
    assert titles[-1][1].startswith(f"ρ = {row.spearman:.2f} [".replace("-", "−"))
    style.save(figure, tmp_path / "a.svg", tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
