"""Metrics against examples by hand and their definitions, and the files of measures."""

import json
import subprocess
import sys
from decimal import Decimal, localcontext
from importlib import import_module

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from project import ROOT
from score_files import evidence_of, random_evidence, write_sample_scores, write_window_scores

from memprune.config.metrics import NAMES
from memprune.errors import UserError
from memprune.metrics import (
    discoverable,
    extracted,
    extraction_strength,
    matched,
    near_tie,
    probability,
    suffix_log_probability,
    token_accuracy,
)
from memprune.metrics.measure import column_name, measure_samples, measure_windows
from memprune.metrics.score_files import Rows, read_samples, read_windows
from memprune.scoring.evidence import LARGEST_RANK, Evidence
from memprune.store import source_code

# Three samples, four tokens of suffix: the first is extracted; the second misses its third token, clearly;
# the third misses its first and its last one, both by so little that rounding may decide.
MARGINS = [[3.0, 0.5, 2.0, 1.0], [4.0, 1.0, -2.0, 0.5], [-0.00005, 1.0, 2.0, -0.00001]]
LOG_PROBABILITIES = np.log([[0.5, 0.5, 0.5, 0.8], [0.5, 0.25, 0.125, 0.5], [0.1, 0.1, 0.1, 0.1]])
BY_HAND = {
    ("extracted", ()): [True, False, False],
    ("matched", ()): [4, 2, 0],
    ("token_accuracy", ()): [1.0, 0.75, 0.5],
    ("suffix_log_probability", ()): np.log([0.1, 1 / 128, 0.0001]),
    ("probability", ()): [0.1, 1 / 128, 0.0001],
    # The first needs no token, the second three, of which the last is the mismatch, the third all four.
    ("extraction_strength", ()): [1.0, 0.25, 0.0],
    # With probability 1 - 0.9^7 = 0.52 the first is among 7 samples, 1 - 0.9^6 = 0.47 among 6.
    ("discoverable", (("n", 6), ("p", 0.5))): [False, False, False],
    ("discoverable", (("n", 7), ("p", 0.5))): [True, False, False],
    # 1 - (127 / 128)^89 = 0.502, and with 88 samples 0.4985; 1 - 0.9999^6932 = 0.50003, with 6931 0.49998.
    ("discoverable", (("n", 88), ("p", 0.5))): [True, False, False],
    ("discoverable", (("n", 89), ("p", 0.5))): [True, True, False],
    ("discoverable", (("n", 6931), ("p", 0.5))): [True, True, False],
    ("discoverable", (("n", 6932), ("p", 0.5))): [True, True, True],
    ("near_tie", ()): [False, False, True],
}


def rows_of(evidence: Evidence, compute_dtype: str = "float32") -> Rows:
    return Rows(**vars(evidence), compute_dtype=np.repeat(compute_dtype, len(evidence.rank)))


@pytest.mark.parametrize(("metric", "settings"), BY_HAND)
def test_three_samples_by_hand(metric, settings):
    rows = rows_of(evidence_of(MARGINS, LOG_PROBABILITIES))
    values = import_module(f"memprune.metrics.{metric}").measure(rows, **dict(settings))
    expected = np.array(BY_HAND[metric, settings])
    assert values.dtype == (np.int32 if metric == "matched" else expected.dtype)
    np.testing.assert_allclose(values, expected, rtol=1e-6)


def test_every_metric_has_an_example_a_direction_and_a_source():
    assert {metric for metric, _ in BY_HAND} == set(NAMES)
    for name in NAMES:
        metric = import_module(f"memprune.metrics.{name}")
        assert metric.LESS_MEMORIZED in ("lower", "higher", "neither")
        assert "Source: " in " ".join(metric.__doc__.split())


def test_the_documentation_tells_of_every_metric():
    text = (ROOT / "docs/metrics.md").read_text()
    for name in NAMES:
        [row] = [line for line in text.splitlines() if line.startswith(f"| `{name}`")]
        assert row.endswith(f"| {import_module(f'memprune.metrics.{name}').LESS_MEMORIZED} |")


def as_scored_before(matches: np.ndarray, log_probabilities: np.ndarray) -> dict[str, np.ndarray]:
    """The metrics as they were summed up while a model scored, before evidence was kept."""
    return {
        "extracted": matches.all(axis=1),
        "matched": np.cumprod(matches, axis=1).sum(axis=1).astype(np.int32),
        "token_accuracy": matches.mean(axis=1),
        "suffix_log_probability": log_probabilities.astype(np.float64).sum(axis=1),
    }


def test_metrics_that_were_scored_before_are_the_same_numbers():
    evidence = random_evidence(500, 50)
    for name, expected in as_scored_before(evidence.rank == 0, evidence.log_probability).items():
        values = import_module(f"memprune.metrics.{name}").measure(evidence)
        assert values.dtype == expected.dtype
        np.testing.assert_array_equal(values, expected)


shapes = st.tuples(st.integers(1, 6), st.integers(1, 8))


@st.composite
def evidences(draw) -> Evidence:
    """Evidence of any suffix, exact ties of logits and ranks beyond the largest among it."""
    shape = draw(shapes)
    floats = st.floats(-30, 30, width=32) | st.sampled_from([0.0, 1e-5, -1e-5, 0.1, -0.1])
    margins = draw(arrays.arrays(np.float32, shape, elements=floats))
    log_probabilities = draw(arrays.arrays(np.float32, shape, elements=st.floats(-200, 0, width=32)))
    above = draw(arrays.arrays(np.uint16, shape, elements=st.sampled_from([1, 2, LARGEST_RANK])))
    tied = draw(arrays.arrays(np.bool_, shape))
    greedy = (margins > 0) | ((margins == 0) & tied)
    return Evidence(log_probabilities, margins, np.where(greedy, 0, above).astype(np.uint16))


@given(evidences())
def test_metrics_agree_with_one_another(evidence):
    suffix = evidence.rank.shape[1]
    whole, tokens = extracted.measure(evidence), matched.measure(evidence)
    strength, accuracy = extraction_strength.measure(evidence), token_accuracy.measure(evidence)
    np.testing.assert_array_equal(whole, tokens == suffix)
    np.testing.assert_array_equal(whole, strength == 1)
    np.testing.assert_array_equal(whole, accuracy == 1)
    np.testing.assert_array_equal(strength == 0, evidence.rank[:, -1] > 0)
    assert ((accuracy >= tokens / suffix) & (accuracy >= strength - 1e-12) & (strength >= 0)).all()
    log_probability, p_z = suffix_log_probability.measure(evidence), probability.measure(evidence)
    assert ((log_probability <= 0) & (p_z >= 0) & (p_z <= 1)).all()
    assert (p_z[discoverable.measure(evidence, n=1, p=0.5)] >= 0.5 - 1e-12).all()
    assert (p_z[~discoverable.measure(evidence, n=1, p=0.5)] <= 0.5 + 1e-12).all()


@given(evidences())
def test_extraction_strength_is_by_the_fewest_tokens_that_must_be_given(evidence):
    suffix = evidence.rank.shape[1]
    for row, strength in zip(evidence.rank == 0, extraction_strength.measure(evidence), strict=True):
        given_tokens = next(j for j in range(suffix + 1) if row[j:].all())
        assert strength == 1 - given_tokens / suffix


@given(evidences(), st.sampled_from(list(near_tie.BOUNDS)))
def test_a_near_tie_is_what_rounding_can_decide(evidence, dtype):
    """Margins moved by the bound at most, all up or all down, tell how many tokens may or must be matched."""
    bound = near_tie.BOUNDS[dtype]
    margins = evidence.margin.astype(np.float64)
    may, must = (np.cumprod(own, axis=1).sum(axis=1) for own in (margins >= -bound, margins > bound))
    np.testing.assert_array_equal(near_tie.measure(rows_of(evidence, dtype)), may != must)


def is_discoverable(log_probability: float, n: int, p: float) -> tuple[bool, bool]:
    """Whether 1 - (1 - exp(log-probability))^n >= p with 500 digits, and whether that is a close call."""
    with localcontext(prec=500):
        found = 1 - (1 - Decimal(log_probability).exp()) ** n
        return found >= Decimal(p), abs(found - Decimal(p)) < Decimal("1e-12") * min(
            Decimal(p), 1 - Decimal(p)
        )


@given(
    st.floats(-1000, 0) | st.floats(-40, 0) | st.floats(-1e-9, 0),
    st.integers(1, 2**31 - 1) | st.integers(1, 100),
    st.floats(1e-9, 0.999999),
)
def test_discoverable_is_exact_for_tiny_probabilities_and_many_samples(log_probability, n, p):
    expected, close = is_discoverable(log_probability, n, p)
    found = n * discoverable.log_of_rest(np.array([log_probability])) <= np.log1p(-p)
    assert close or found.item() == expected


@pytest.mark.parametrize("log_probability", [-20.0, -60.0, -700.0])
def test_discoverable_turns_where_its_definition_does(log_probability):
    """At p just above and below what n samples reach, which is n p_z where p_z is tiny."""
    evidence = Evidence(
        np.array([[log_probability]], np.float32), np.ones((1, 1), np.float32), np.zeros((1, 1), np.uint16)
    )
    reached = -np.expm1(-(10**6) * np.exp(log_probability))
    assert discoverable.measure(evidence, n=10**6, p=reached * (1 - 1e-6)).item()
    assert not discoverable.measure(evidence, n=10**6, p=reached * (1 + 1e-6)).item()


def test_measures_of_samples_are_a_column_a_metric_beside_what_describes_them(tmp_path):
    evidence = evidence_of([[1.0, 0.1], [1.0, 0.1], [1.0, 0.1]])
    achieved = {"sparsity": 0.3, "removed": 0.1, "variant_bytes": 700}
    shards = {"float32": 1, "bfloat16": 2}
    write_sample_scores(tmp_path / "s.parquet", evidence, ("007", "global", 0.3), achieved, shards)
    columns = [("extracted", {}), ("near_tie", {}), ("discoverable", {"n": 10, "p": 0.5})]
    measure_samples(tmp_path / "s.parquet", columns, tmp_path / "m.parquet")
    table = pq.read_table(tmp_path / "m.parquet")
    assert table.column_names == [
        "model", "strategy", "level", "target", "sparsity", "removed", "variant_bytes", "sample", "split",
        "seed", "pooled", "subset", "document", "duplicates", "context_length", "screened",
        "compute_dtype", "extracted", "near_tie", "discoverable_n10_p0.5",
    ]  # fmt: skip
    first = table.to_pylist()[0]
    assert (first["model"], first["strategy"], first["level"]) == ("007", "global", 0.3)
    assert {name: first[name] for name in achieved} == achieved
    assert table["near_tie"].to_pylist() == [False, True, True]  # by the precision of each row's shard
    assert table["compute_dtype"].to_pylist() == ["float32", "bfloat16", "bfloat16"]
    assert table["screened"].to_pylist() == [None] * 3
    assert table["duplicates"].type == "int32"
    assert table.schema.field("extracted").metadata == {b"less_memorized": b"lower"}


def test_columns_have_the_names_of_their_settings():
    assert column_name("extracted", {}) == "extracted"
    assert column_name("discoverable", {"n": 1000, "p": 0.1}) == "discoverable_n1000_p0.1"
    assert column_name("discoverable", {"n": 1, "p": 1e-05}) == "discoverable_n1_p1e-05"


def test_measures_of_windows_have_the_sum_of_each(tmp_path):
    generator = np.random.default_rng(0)
    windows = [-generator.exponential(3, length).astype(np.float32) for length in (1, 7, 512, 130)]
    write_window_scores(tmp_path / "s.parquet", windows)
    measure_windows(tmp_path / "s.parquet", tmp_path / "m.parquet")
    table = pq.read_table(tmp_path / "m.parquet")
    assert table.column_names == [
        "model", "strategy", "level", "target", "sparsity", "removed", "variant_bytes", "window", "document",
        "subset", "tokens", "bytes", "words", "nll",
    ]  # fmt: skip
    assert table["nll"].to_pylist() == [-window.astype(np.float64).sum() for window in windows]


def shorter(path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def without_metadata(path) -> None:
    pq.write_table(pq.read_table(path).replace_schema_metadata(), path)


def without_evidence(path) -> None:
    pq.write_table(pq.read_table(path).drop_columns(["log_probability"]), path)


def fewer_rows(path) -> None:
    table = pq.read_table(path)
    pq.write_table(table.slice(1), path)


def other_lists(path) -> None:
    table = pq.read_table(path)
    index = table.column_names.index("log_probability")
    pq.write_table(table.set_column(index, "log_probability", table["level"]), path)


@pytest.mark.parametrize(
    "damage", [shorter, without_metadata, without_evidence, other_lists, fewer_rows], ids=lambda f: f.__name__
)
@pytest.mark.parametrize("kind", ["samples", "windows"])
def test_a_damaged_score_file_is_one_line(kind, damage, tmp_path):
    path = tmp_path / "s.parquet"
    if kind == "samples":
        write_sample_scores(path, evidence_of(MARGINS))
    else:
        write_window_scores(path, [np.array([-1.0, -2.0], np.float32)] * 3)
    damage(path)
    message = r"s.parquet: cannot be read \(.*\); delete it and run again"
    with pytest.raises(UserError, match=message) as caught:
        read_samples(path) if kind == "samples" else read_windows(path)
    assert "\n" not in str(caught.value)


MEASURE = ROOT / "workflow_scripts/measure.py"


def test_a_variant_is_measured_once_for_the_same_metrics(tmp_path):
    write_sample_scores(tmp_path / "scores/samples.parquet", random_evidence(20, 5))
    write_window_scores(tmp_path / "scores/windows.parquet", [np.array([-1.0], np.float32)])

    def measure(*columns: tuple) -> str:
        done = subprocess.run(
            [
                sys.executable, "-X", "importtime", MEASURE,
                "--memorization-scores", "scores/samples.parquet",
                "--perplexity-scores", "scores/windows.parquet", "--spec", json.dumps({"columns": columns}),
                "--memorization", "samples.parquet", "--perplexity", "windows.parquet",
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )  # fmt: skip
        imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
        assert not imported & {"torch", "pandas", "pydantic"}
        return done.stdout

    assert "computed" in measure(("extracted", {}))
    assert "found" in measure(("extracted", {}))
    assert "computed" in measure(("extracted", {}), ("discoverable", {"n": 2, "p": 0.5}))
    assert "computed" in measure(("extracted", {}), ("discoverable", {"n": 3, "p": 0.5}))
    assert "found" in measure(("extracted", {}), ("discoverable", {"n": 2, "p": 0.5}))
    assert pq.read_schema(tmp_path / "samples.parquet").names[-1] == "discoverable_n2_p0.5"


def test_a_metrics_code_is_in_the_digest_of_what_measures_it_and_no_other():
    files = {file.stem for file in source_code.files_behind(MEASURE, "memprune.metrics.discoverable")}
    assert {"measure", "score_files", "evidence", "discoverable", "suffix_log_probability"} <= files
    assert not files & (set(NAMES) - {"discoverable", "suffix_log_probability"})
