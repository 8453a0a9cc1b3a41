"""The findings in words: each number is that of a table, and where nothing can be concluded they say so."""

import re

import numpy as np
import pandas as pd
import pytest
from measure_files import TEXTS, write_measure_files
from random_measures import MODELS, STRATEGIES, both_splits, random_windows

from memprune.findings import answers, words
from memprune.findings.aggregate_tables import write_tables
from memprune.findings.frames import read_csv
from memprune.findings.write_findings import QUESTIONS, findings

UNPUBLISHED = {"sources": [], "experiment": {}}


def tables_of(
    samples: pd.DataFrame, windows: pd.DataFrame, folder, evidence: str | None = None
) -> dict[str, pd.DataFrame]:
    """All tables of some measures, as they are read from their files."""
    files = (
        write_measure_files(samples, "memorization", folder, evidence),
        write_measure_files(windows, "perplexity", folder, evidence),
    )
    write_tables(*files, MODELS, STRATEGIES, {}, TEXTS, UNPUBLISHED, folder)
    return {path.stem: read_csv(path) for path in folder.glob("*.csv")}


@pytest.fixture(scope="module")
def tables(tmp_path_factory) -> dict[str, pd.DataFrame]:
    return tables_of(both_splits(), random_windows(), tmp_path_factory.mktemp("tables"))


def test_every_question_is_answered_in_order_with_the_tables_numbers(tables):
    text = findings("tiny", tables)
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    unasked = ("published as extracted", "exact match not show", "not fitted to", "forgetting last")
    assert headings == [question for question in QUESTIONS if not any(one in question for one in unasked)]
    assert all(re.search(rf"^## {re.escape(heading)}\n\n- ", text, re.MULTILINE) for heading in headings)
    assert "nan" not in text.lower()
    for model in MODELS:
        row = tables["excess"].query("model == @model and strategy == 'dense' and by == 'all'").iloc[-1]
        assert f"**{model}**, dense, extracts {row.extracted} of 64 (" in text
    paired = tables["paired"].query("context_length == 100")
    significant = paired[(paired.p_holm < 0.05) & (paired.lost > paired.gained)]
    for model, own in significant.groupby("model"):
        best = own.sort_values("difference").iloc[0]
        assert f"from {best.dense} to {best.extracted} of 64" in text, model
        assert f"{best.lost} lost and {best.gained} gained" in text
        assert words.p_value(best.p_value) in text


def test_no_strategy_is_no_conclusion(tmp_path):
    samples, windows = both_splits(), random_windows()
    dense = [frame[frame.strategy == "dense"] for frame in (samples, windows)]
    text = findings("tiny", tables_of(*dense, tmp_path))
    assert text.count("No strategy was run, so nothing can be concluded about pruning.") == 3
    assert "no drop was looked for" in text
    assert "nan" not in text.lower()


def test_what_is_never_extracted_cannot_be_shown_to_be_extracted_less(tmp_path):
    samples = both_splits().assign(extracted=False)
    text = findings("tiny", tables_of(samples, random_windows(), tmp_path))
    assert text.count("no reduction can be shown, whatever is done to it") == len(MODELS)
    assert text.count("So no reduction can be concluded for") == len(MODELS)
    assert "nan" not in text.lower()


def test_variants_that_change_nothing_are_pointed_out(tmp_path):
    samples, windows = both_splits(), random_windows()
    one = [frame[frame.model == "small"] for frame in (samples, windows)]
    text = findings("tiny", tables_of(*one, tmp_path, evidence="same"))
    assert text.count("has the scores of dense to the last bit") == 4


def test_collapsed_variants_are_no_forgetting_and_in_no_ranking(tmp_path):
    samples = both_splits()
    collapsed = (samples.strategy == "global") & (samples.level >= 0.3)
    samples.loc[collapsed, "extracted"] = False
    samples["token_accuracy"] = np.where(collapsed, 0.01, 0.5)
    tables = tables_of(samples, random_windows(), tmp_path)
    text = findings("tiny", tables)
    assert "collapsed (less than half of dense accuracy on text never seen" in text
    verdicts = tables["verdicts"]
    assert set(verdicts[verdicts.verdict == "collapsed"].strategy) == {"global"}
    ranked = tables["at_equal_removed"]
    assert not ((ranked.strategy == "global") & (ranked.sparsity > 0.31)).any()
    assert not tables["frontier"].merge(verdicts.query("verdict == 'collapsed'")).on_frontier.any()
    for line in text.splitlines():
        assert "global@0.3" not in line or "collapsed (" in line or "frontier" in line, line


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (words.counted(50, 144, 0.274, 0.428), "50 of 144 (34.7 %, 27.4 to 42.8 %)"),
        (words.percent(0.0016), "0.16 %"),
        (words.percent(0.0), "0.0 %"),
        (words.points(-0.0004), "−0.04 points"),
        (words.between(-0.2, 0.05, words.points), "−20.0 to +5.0 points"),
        (words.p_value(1e-9), "p < 0.0001"),
        (words.p_value(0.00213), "p = 0.0021"),
        (words.times(1.234, np.nan, np.nan), "1.23 times"),
        (words.times(1.234, 1.1, 1.5), "1.23 times (1.1 to 1.5)"),
        (words.listed(["a"]), "a"),
        (words.listed(["a", "b", "c"]), "a, b and c"),
        (words.number_of(1, "variant"), "1 variant"),
        (words.number_of(0, "variant"), "0 variants"),
    ],
)
def test_numbers_in_words(written, expected):
    assert written == expected


def test_strategies_are_ranked_where_enough_of_them_are_compared():
    reached = pd.Series([7, 18, 18, 11, 9, 8], index=[0.001, 0.01, 0.1, 0.3, 0.4, 0.6])
    assert answers.where_most_are(reached) == 0.01
    assert answers.where_half_are(reached) == 0.4
