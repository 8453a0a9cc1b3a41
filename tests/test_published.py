"""Published figures: what their files may hold, which can be at all, and ours beside them."""

import json
import math
from decimal import ROUND_HALF_DOWN, ROUND_HALF_UP, Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import yaml
from experiments import ROOT
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, chi2_contingency, hypergeom

from memprune.config.experiment import check, load
from memprune.config.published_figures import FOLDER, load_published, read_published
from memprune.errors import UserError
from memprune.findings.aggregate_tables import memorization_table, perplexity_table
from memprune.findings.frames import in_order
from memprune.findings.published_comparison import (
    COLUMNS,
    is_possible,
    p_value,
    published_table,
    z_score,
)
from memprune.planning.protocol import compared

SOURCE = {
    "source": {"title": "t", "url": "https://example.org"},
    "protocol": {"suffix": 32, "samples": 1000, "dtype": "float32", "corpus": "local files"},
    "strategies": {"everywhere": {"allocation": "global"}, "attention": {"matrices": "attention"}},
    "figures": [],
}
EXTRACTED = {"model": "o/m", "strategy": "dense", "quantity": "extracted_fraction", "value": 0.25}
PERPLEXITY = {"model": "o/m", "strategy": "dense", "quantity": "token_perplexity", "value": 20}
EXPERIMENT = {
    "experiment": "e",
    "corpus": {"source": "files", **{split: ["a.jsonl"] for split in ("train", "validation", "test")}},
    "samples": {"members": 64, "context_lengths": [100, 50]},
    "models": {"mine": {"repo": "o/m"}, "other": {"path": "models/other"}},
    "strategies": {
        "everything": {"levels": [0.1, 0.3, 0.5]},
        "layers": {"allocation": "layer", "levels": [0.3]},
    },
}


def sources(folder, *figures: dict, **changed) -> list[dict]:
    """What is read of a folder with one file of these figures."""
    path = folder / "some-source.yaml"
    path.write_text(yaml.safe_dump(SOURCE | {"figures": list(figures)} | changed))
    return json.loads(json.dumps([*read_published.__wrapped__(folder)]))


def tables(experiment: dict, extracted: int | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables of memorization and perplexity of an experiment, from random measures of 64 samples."""
    config, generator = check(experiment, "test"), np.random.default_rng(0)
    keys = [
        (model, strategy, level)
        for model in config.models
        for strategy in ("dense", *config.strategies)
        for level in ([0.0] if strategy == "dense" else config.levels(model, strategy))
    ]
    described = [
        dict(zip(("model", "strategy", "level", "sparsity", "removed"), (*key, key[2], key[2]), strict=True))
        | {"variant_bytes": 10}
        for key in keys
    ]
    samples = [
        row | {"sample": sample, "context_length": k}
        | {"extracted": sample < extracted if extracted is not None else bool(generator.random() < 0.4)}
        for row in described
        for k in config.samples.context_lengths
        for sample in range(64)
    ]  # fmt: skip
    windows = [
        row | {"document": "d", "nll": 300.0 + 9 * i, "tokens": 100, "bytes": 400, "words": 80}
        for i, row in enumerate(described)
    ]
    measures = (
        in_order(
            pd.DataFrame(rows).assign(target=None, compute_dtype="float32"),
            list(config.models),
            list(config.strategies),
        )
        for rows in (samples, windows)
    )
    return memorization_table(next(measures)), perplexity_table(next(measures))


def compare(folder, *figures: dict, experiment: dict = EXPERIMENT, extracted: int | None = None, **changed):
    """The table of these figures and this experiment."""
    ours = json.loads(json.dumps(compared(check(experiment, "test"))))
    return published_table(*tables(experiment, extracted), sources(folder, *figures, **changed), ours)


def test_every_file_that_is_shipped_is_read():
    names = [source["source"] for source in read_published()]
    assert names == sorted(path.stem for path in FOLDER.iterdir())
    assert {"pruning-as-a-defense", "pythia-memorized-evals"} <= set(names)
    for path in FOLDER.iterdir():
        assert load_published(path).source.url.startswith("https://")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"figuers": []}, "figuers: unknown key; nearest known key: figures; allowed: source, protocol,"),
        ({"protocol": {"sufix": 9}}, "protocol.sufix: unknown key; nearest known key: suffix;"),
        ({"figures": []}, "figures: found []; list should have at least 1 item"),
        ({"figures": [EXTRACTED | {"valu": 1}]}, "figures.0.valu: unknown key; nearest known key: value;"),
        ({"figures": [EXTRACTED | {"value": 1.5}]}, "figures.0: found value 1.5, allowed: a fraction"),
        ({"figures": [EXTRACTED | {"value": True}]}, "figures.0.value: found true; input should be a number"),
        ({"figures": [EXTRACTED | {"value": "nan"}]}, "figures.0.value: found 'nan'; "),
        ({"figures": [EXTRACTED | {"strategy": "global"}]}, "figures.0.strategy: found global, allowed: "),
        ({"figures": [EXTRACTED | {"level": 0.1}]}, "figures.0: found level [0.1, 0.1], but `dense`"),
        (
            {"figures": [EXTRACTED | {"strategy": "attention", "level": [0.5, 0.1]}]},
            "figures.0: found level [0.5, 0.1]; give the lower end first",
        ),
        (
            {"figures": [EXTRACTED | {"strategy": "attention", "level": 1.5}]},
            "figures.0.level.0: found 1.5; input should be less than or",
        ),
        ({"figures": [PERPLEXITY | {"value": 0.5}]}, "figures.0: found value 0.5, allowed: a perplexity"),
        ({"figures": [PERPLEXITY | {"samples": 9}]}, "figures.0: found samples with a perplexity"),
        ({"figures": [EXTRACTED | {"quantity": "loss"}]}, "figures.0.quantity: found 'loss'; input should "),
        (
            {"figures": [EXTRACTED | {"quantity": "extracted_count"}]},
            "figures.0: found value 0.25, allowed: a whole number of samples",
        ),
        (
            {"figures": [EXTRACTED | {"quantity": "extracted_count", "value": 1001}]},
            "figures.0.value: found 1001 of 1000 samples; give samples",
        ),
        (
            {"strategies": {"everywhere": {"levels": [0.1]}}, "figures": [EXTRACTED]},
            "strategies.everywhere.levels: found [0.1]; figures have levels",
        ),
    ],
)  # fmt: skip
def test_each_mistake_gives_its_line(change, message, tmp_path):
    with pytest.raises(UserError) as caught:
        sources(tmp_path, EXTRACTED, **change)
    line = str(caught.value)
    assert line.startswith(f"{tmp_path}/some-source.yaml: {message}")
    assert "\n" not in line


@given(st.integers(1, 300), st.integers(0, 4), st.data())
def test_what_a_fraction_can_be_equals_trying_all(samples, digits, data):
    step = Decimal(1).scaleb(-digits)
    printed = data.draw(st.integers(0, 10**digits)) * step
    tried = any(
        (Decimal(x) / samples).quantize(step, rounding) == printed
        for x in range(samples + 1)
        for rounding in (ROUND_HALF_UP, ROUND_HALF_DOWN)
    )
    assert is_possible(printed, samples) == tried


def test_what_the_papers_own_numbers_cannot_be():
    """0.0069 is no fraction of 5,000, but a mean of four; 0.008 is 63 % fewer than 0.022, not than 0.016."""
    assert not is_possible(Decimal("0.0069"), 5000)
    assert is_possible(Decimal("0.0069"), 4 * 5000)
    config = load(ROOT / "config/paper.yaml")
    [paper] = [source for source in read_published() if source["source"] == "pruning-as-a-defense"]
    empty = [table.iloc[:0] for table in tables(EXPERIMENT)]
    table = published_table(*empty, [paper], compared(config))
    assert table[table.possible == False].published.to_list() == [0.0069]  # noqa: E712
    own = table[(table.model == "EleutherAI/pythia-12b") & (table.quantity == "extracted_fraction")]
    [pruned] = own[own.strategy == "attention-only"].published
    fitting = [  # baselines of which it is 63 % fewer, as far as both are printed
        dense
        for dense in own[own.strategy == "dense"].published
        if (pruned - 0.0005) / (dense + 0.0005) <= 1 - 0.63 <= (pruned + 0.0005) / (dense - 0.0005)
    ]
    assert fitting == [0.022]


@given(st.integers(1, 400), st.integers(1, 400), st.data())
def test_scores_of_two_samples_equal_scipys(samples, others, data):
    extracted, published = data.draw(st.integers(0, samples)), data.draw(st.integers(0, others))
    share = Fraction(published, others)
    z = z_score(extracted, samples, float(share), others)
    if 0 < extracted + published < samples + others:
        counts = [[extracted, samples - extracted], [published, others - published]]
        assert z**2 == pytest.approx(chi2_contingency(counts, correction=False).statistic, abs=1e-9)
    assert np.sign(z) == np.sign(extracted * others - published * samples)
    # Fisher's test by its definition: the tables of these sums that are as improbable, or more.
    probabilities = hypergeom.pmf(np.arange(samples + 1), samples + others, extracted + published, samples)
    as_rare = probabilities <= probabilities[extracted] * (1 + 1e-7)
    assert p_value(extracted, samples, share, others) == pytest.approx(probabilities[as_rare].sum())


@given(st.integers(1, 400), st.fractions(0, 1, max_denominator=100), st.data())
def test_scores_of_one_sample_are_those_of_the_definition(samples, share, data):
    extracted, p = data.draw(st.integers(0, samples)), float(share)
    z, difference = z_score(extracted, samples, p, None), extracted / samples - p
    if 0 < p < 1:
        assert z == pytest.approx(difference / math.sqrt(p * (1 - p) / samples), abs=1e-9)
    else:
        assert z == (difference and math.copysign(math.inf, difference))
    probabilities = binom.pmf(np.arange(samples + 1), samples, p)
    as_rare = probabilities <= probabilities[extracted] * (1 + 1e-7)
    assert p_value(extracted, samples, share, None) == pytest.approx(probabilities[as_rare].sum())


def test_scores_against_all_sequences_of_a_training_set():
    """EleutherAI's 463,953 of 146,432,000 are as good as a known share."""
    share = Fraction(463953, 146432000)
    assert z_score(80, 20000, float(share), 146432000) == pytest.approx(
        z_score(80, 20000, float(share), None), rel=1e-3
    )
    assert p_value(80, 20000, share, 146432000) == pytest.approx(p_value(80, 20000, share, None), rel=1e-3)


def test_a_dense_models_fraction_is_compared_at_its_k(tmp_path):
    [row] = compare(tmp_path, EXTRACTED | {"context_length": 50}, extracted=20).to_dict("records")
    assert (row["source"], row["variant"], row["status"]) == ("some-source", "mine/dense", "compared")
    assert (row["ours"], row["extracted"], row["samples"]) == (20 / 64, 20, 64)
    assert (row["published"], row["published_samples"], row["possible"]) == (0.25, 1000, True)
    assert (row["ratio"], row["z"] > 0) == (1.25, True)
    assert row["ci_low"] < 20 / 64 < row["ci_high"]
    assert row["deviations"] == "samples 64, published 1000; suffix 50, published 32"
    assert row["unknown"] == 4  # revision, offset, balance_duplicates, decoding


def test_another_k_is_the_nearest_and_an_unknown_k_a_mean(tmp_path):
    memorization, _ = tables(EXPERIMENT)
    own = memorization[(memorization.model == "mine") & (memorization.strategy == "dense")]
    extracted = own.set_index("context_length").extracted
    rows = compare(tmp_path, EXTRACTED | {"context_length": 90}, EXTRACTED)
    assert rows.extracted.to_list() == [extracted[100], (extracted[50] + extracted[100]) / 2]
    assert rows.deviations[0].startswith("k 100, published 90; ")
    assert rows.deviations[1].startswith("mean over k of 50, 100, published k unknown; ")
    listed = compare(tmp_path, EXTRACTED, protocol={"context_lengths": [100, 50, 200]})
    assert "context lengths 50, 100, published 50, 100, 200" in listed.deviations[0]


def test_a_count_is_compared_as_a_share(tmp_path):
    figure = EXTRACTED | {"quantity": "extracted_count", "value": 250, "context_length": 50}
    [row] = compare(tmp_path, figure, extracted=16).to_dict("records")
    assert (row["published"], row["ours"], row["z"], row["p_value"], row["ratio"]) == (0.25, 0.25, 0, 1, 1)
    assert pd.isna(row["possible"])


@pytest.mark.parametrize(
    ("level", "matched"),
    [
        (0.3, [0.3]),
        (0.39, [0.3]),
        (0.9, [0.5]),
        ([0.05, 0.3], [0.1, 0.3]),
        ([0.31, 0.32], [0.3]),
        (None, [0.1, 0.3, 0.5]),
    ],
)
def test_a_strategy_matches_by_what_it_prunes_at_the_nearest_levels(level, matched, tmp_path):
    figure = EXTRACTED | {"strategy": "everywhere", "level": level, "context_length": 50}
    rows = compare(tmp_path, figure)
    assert rows.variant.to_list() == [f"mine/everything@{own}" for own in matched]
    differs = level is not None and level != matched[0]
    assert [text.count("level ") for text in rows.deviations] == [int(differs)] * len(matched)
    assert set(rows.unknown) == {4 + (level is None)}


def test_perplexities_have_a_ratio_and_no_score(tmp_path):
    figures = [PERPLEXITY, PERPLEXITY | {"quantity": "word_perplexity"}]
    rows = compare(tmp_path, *figures, protocol={"perplexity_window": 2048, "suffix": 9})
    assert rows.ours.to_list() == pytest.approx([math.exp(3), math.exp(300 / 80)])
    assert rows.ratio.to_list() == pytest.approx([math.exp(3) / 20, math.exp(300 / 80) / 20])
    assert rows[["z", "p_value", "extracted", "samples", "ci_low", "possible"]].isna().all(axis=None)
    assert set(rows.deviations) == {"perplexity window 512, published 2048"}


def test_a_model_matches_by_its_repository_or_its_name(tmp_path):
    models = {"mine": {"repo": "o/m"}, "x": {"repo": "their/x", "revision": "r"}, "m": {"path": "models/m"}}
    experiment = EXPERIMENT | {"models": models}
    figures = [PERPLEXITY, PERPLEXITY | {"model": "o/x"}, PERPLEXITY | {"model": "their/mine"}]
    rows = compare(tmp_path, *figures, experiment=experiment, protocol={"revision": "main"})
    assert rows.variant.to_list() == ["mine/dense", "m/dense", "x/dense", "mine/dense"]
    assert rows.deviations.to_list() == [
        "",
        "",
        "model their/x, published o/x; revision r, published main",
        "model o/m, published their/mine",
    ]


@pytest.mark.parametrize("change", [{"model": "o/none"}, {"strategy": "attention"}])
def test_what_nothing_matches_was_not_run(change, tmp_path):
    [row] = compare(tmp_path, EXTRACTED | change, PERPLEXITY).iloc[:1].to_dict("records")
    assert (row["status"], row["published"]) == ("not run", 0.25)
    assert pd.isna([row[name] for name in ("variant", "ours", "z", "ratio", "deviations")]).all()


@pytest.mark.parametrize(("extracted", "value"), [(0, 0), (0, 0.25), (64, 1), (64, 0.25), (64, 0), (0, 1)])
@pytest.mark.parametrize("samples", [1000, None])
def test_none_and_all_have_defined_scores(extracted, value, samples, tmp_path):
    protocol = {"samples": samples}
    [row] = compare(tmp_path, EXTRACTED | {"value": value}, extracted=extracted, protocol=protocol).to_dict(
        "records"
    )
    assert np.sign(row["z"]) == np.sign(extracted / 64 - value)
    assert 0 <= row["p_value"] <= 1
    assert (row["p_value"] == 1) == (extracted / 64 == value)
    assert math.isnan(row["ratio"]) == (value == 0)


def test_dense_models_alone_and_no_figures_at_all(tmp_path):
    experiment = EXPERIMENT | {"strategies": {}}
    figures = [EXTRACTED | {"strategy": "everywhere"}, EXTRACTED]
    assert compare(tmp_path, *figures, experiment=experiment).status.to_list() == ["not run", "compared"]
    empty = published_table(*tables(experiment), [], compared(check(experiment, "test")))
    assert (empty.columns.to_list(), len(empty)) == (COLUMNS, 0)


def test_every_shipped_figure_has_a_row_in_every_experiment():
    figures = sum(len(source["figures"]) for source in read_published())
    ours = compared(check(EXPERIMENT, "test"))
    table = published_table(*tables(EXPERIMENT), read_published(), ours)
    assert (len(table), set(table.status)) == (figures, {"not run"})
    named = EXPERIMENT | {"models": {"pythia-12b": {"repo": "EleutherAI/pythia-12b"}}}
    matched = published_table(*tables(named), read_published(), compared(check(named, "test")))
    own = matched[matched.status == "compared"]
    rows = {"pruning-as-a-defense": 3 + 2 * 2, "pythia-memorized-evals": 1}
    assert own.groupby("source").size().to_dict() == rows
    pruned = {"pythia-12b/everything@0.3", "pythia-12b/everything@0.5"}  # as near to 0.35 to 0.45
    assert set(own.variant) == {"pythia-12b/dense"} | pruned
