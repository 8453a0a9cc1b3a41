"""Screening: what is extracted is float32's on every sample, whatever the fast type's margins are off by."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import FAMILIES
from experiments import experiment
from hypothesis import given, settings
from hypothesis import strategies as st
from score_files import evidence_of
from test_parts import SPEC, SUFFIX, WINDOWS, drawn
from tiny_models import greedy, reference_model, tiny_model

from memprune.corpus.draw_samples import WINDOWS_SCHEMA
from memprune.devices import choice
from memprune.evaluation import screening
from memprune.evaluation.evaluate import write_scores
from memprune.evaluation.receipts import part_of
from memprune.evaluation.score_variant import ScoredVariant, score_variant
from memprune.evaluation.screened_scorer import ScreenedScorer
from memprune.evaluation.variant import Variant
from memprune.findings.screening_table import screening_table
from memprune.metrics.score_files import read_samples
from memprune.models.resolve_model import resolve_model
from memprune.variants.achieved import Achieved

SAMPLES = 30
AUDITED = ("audited", "contradicted")


@given(data=st.data())
@settings(deadline=None)
def test_what_is_extracted_is_the_exact_types_if_no_margin_is_off_by_more_than_the_bound(data):
    samples, lengths = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 3))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    bound = data.draw(st.sampled_from([0.0, 0.01, 0.3]))
    exact = evidence_of(random.normal(0.4, 0.3, (samples * lengths, 6)))
    off = random.uniform(-1, 1, exact.margin.shape).astype(np.float32) * np.float32(bound)
    found, screened, again = screened_by(exact, evidence_of(exact.margin + off), lengths, bound)
    assert (screening.extracted(found.evidence) == screening.extracted(exact)).all()
    assert "contradicted" not in found.outcome
    # All rows of a sample are scored again, or none; so the evidence of each is one type's.
    is_exact = (found.outcome != "settled").reshape(samples, lengths)
    assert (is_exact == is_exact[:, :1]).all()
    assert sorted(again) == np.flatnonzero(is_exact[:, 0]).tolist()
    for name, values in vars(found.evidence).items():
        np.testing.assert_array_equal(values[is_exact.ravel()], getattr(exact, name)[is_exact.ravel()])
        np.testing.assert_array_equal(values[~is_exact.ravel()], getattr(screened, name)[~is_exact.ravel()])
    settled = (found.outcome != "re-scored").reshape(samples, lengths)[:, 0].sum()
    assert (found.outcome == "audited").sum() == lengths * np.ceil(0.01 * settled)


def screened_by(exact, fast, lengths: int, bound: float) -> tuple:
    """What screening makes of two types' evidence; the fast one; and which samples were scored again."""
    tokens = np.arange(len(exact.rank) // lengths, dtype=np.int32)[:, None]
    again = []

    def score(evidence, rows: np.ndarray):
        chosen = (rows * lengths + np.arange(lengths)).ravel()
        return type(evidence)(**{name: values[chosen] for name, values in vars(evidence).items()})

    def exactly(rows: np.ndarray):
        again.extend(rows.ravel().tolist())
        return score(exact, rows)

    return screening.screen(tokens, bound, lambda rows: score(fast, rows), exactly), fast, again


def test_what_is_settled_and_wrong_is_contradicted_where_it_is_audited():
    exact = evidence_of(np.full((300, 4), 1.0))
    margins = exact.margin.copy()
    margins[:, 2] = -1
    found, *_ = screened_by(exact, evidence_of(margins), 1, 0.5)
    assert (found.outcome == "contradicted").sum() == 3
    assert screening.extracted(found.evidence).sum() == 3


@given(st.integers(1, 2000))
@settings(deadline=None, max_examples=30)
def test_a_bound_is_calibrated_on_the_same_random_samples_each_time(count):
    tokens = np.random.default_rng(count).integers(0, 100, (count, 3)).astype(np.int32)
    rows = screening.calibrating_rows(tokens)
    assert len(set(rows.tolist())) == len(rows) == min(count, max(8, -(-count // 100)))
    np.testing.assert_array_equal(rows, screening.calibrating_rows(tokens.copy()))


def test_a_bound_is_twice_the_largest_deviation():
    one, other = (evidence_of([[1, 2], [-3, 0]]), evidence_of([[1.25, 2], [-3, -0.5]]))
    assert screening.bound_from(one, other) == 1.0


@pytest.mark.parametrize(
    ("flags", "type_"), [("fma avx2", None), ("avx2 avx512_bf16", "bfloat16"), ("fp bf16 sve", "bfloat16")]
)
def test_the_fast_type_is_one_that_the_machine_multiplies(flags, type_, processor):
    processor(flags)
    assert choice.fast_type("bfloat16", "cpu") == type_
    assert choice.fast_type("tf32", "cpu") is None
    assert choice.fast_type("tf32", "cuda") == "tf32"
    assert choice.fast_type("bfloat16", "cuda") == "bfloat16"
    assert choice.fast_type(None, "cuda") is None


def test_a_system_that_does_not_describe_its_processor_has_no_fast_type(monkeypatch, tmp_path):
    monkeypatch.setattr(choice, "CPU", tmp_path / "none")
    assert choice.fast_type("bfloat16", "cpu") is None


def test_screened_samples_are_in_the_fast_type_and_all_else_in_float32():
    evaluation = experiment(precision="screened", screened_in="tf32").evaluation
    assert evaluation.dtype == evaluation.settings["dtype"] == "float32"
    assert evaluation.screening == {"screened_in": "tf32"}
    assert evaluation.settings == experiment().evaluation.settings
    assert experiment(precision="bfloat16").evaluation.screening == {}


@pytest.fixture
def processor(monkeypatch, tmp_path):
    """Says which instructions this machine's processor has."""
    monkeypatch.setattr(choice, "CPU", tmp_path / "cpuinfo")

    def describe(flags: str) -> None:
        choice.CPU.write_text(f"processor : 0\nflags\t\t: fpu {flags}\n")

    return describe


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch, tmp_path, processor):
    """Blocks of ten rows, a store of the test's own, and a processor that multiplies bfloat16."""
    for module in ("memprune.evaluation.shards", "memprune.evaluation.receipts"):
        monkeypatch.setattr(f"{module}.SHARD_ROWS", 10)
    monkeypatch.setenv("MEMPRUNE_STORE", str(tmp_path / "store"))
    processor("avx512_bf16")


def variant_of(folder: Path, family: str = "gpt_neox", **spec) -> Variant:
    """A dense model that reproduces every other sample after the longest context, and its files."""
    model = tiny_model(family, "float32", folder / "model", layers=2)
    manifest = resolve_model("tiny", model)
    samples = drawn(SAMPLES - 3)
    tokens = samples["tokens"].combine_chunks().flatten().to_numpy().reshape(SAMPLES, -1).copy()
    reference = reference_model(model, None, "float32")
    tokens[::2, -SUFFIX:] = greedy(reference, tokens[::2, :-SUFFIX].astype(np.int64), SUFFIX)
    lists = pa.FixedSizeListArray.from_arrays(pa.array(tokens.ravel()), tokens.shape[1])
    samples = samples.set_column(samples.column_names.index("tokens"), "tokens", lists)
    about = {"tokenizer": manifest.tokenizer, "prefix_token": "0"}
    pq.write_table(samples.replace_schema_metadata(about), folder / "samples.parquet")
    rows = [
        {"window": i, "document": "d", "subset": "a", "tokens": [i, *range(9)], "scored": 9, "bytes": 9,
         "words": 2}
        for i in range(WINDOWS)
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows, WINDOWS_SCHEMA.with_metadata(about)), folder / "w.parquet")
    spec = {**SPEC, "screened_in": "bfloat16", **spec}
    return Variant("dense", manifest, (), folder / "samples.parquet", folder / "w.parquet", spec)


def in_float32(variant: Variant) -> Variant:
    return Variant(**{**vars(variant), "spec": {**variant.spec, "screened_in": None}})


def read(found: ScoredVariant, folder: Path) -> tuple[pd.DataFrame, np.ndarray, list]:
    """A scored variant's rows, what is extracted, and the windows' evidence, written and read again."""
    for own, name in ((slice(0, -1), "m.parquet"), (slice(-1, None), "p.parquet")):
        reached = Achieved(0.0, 0.0, 1)
        write_scores(found.tasks[own], found.scored[own], "tiny", "dense", 0.0, reached, folder / name)
    table, rows = read_samples(folder / "m.parquet")
    assert table["compute_dtype"].to_pylist() == rows.compute_dtype.tolist()
    windows = pq.read_table(folder / "p.parquet")["log_probability"].to_pylist()
    return table.to_pandas(), rows.greedy.all(axis=1), windows


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("anchor", ["suffix", "prefix"])
def test_a_screened_variant_extracts_what_float32_does(family, anchor, tmp_path, capsys):
    variant = variant_of(tmp_path, family, anchor=anchor)
    found = score_variant(variant, "cpu", 1)
    assert "screening: bfloat16 settles margins beyond " in capsys.readouterr().out
    table, extracted, windows = read(found, tmp_path)
    _, expected, windows_expected = read(score_variant(in_float32(variant), "cpu", 1), tmp_path)
    assert extracted.tolist() == expected.tolist()
    assert 0 < expected.sum() < len(expected)
    assert windows == windows_expected
    assert set(table.screened) <= {"settled", "re-scored", "audited"}
    assert (table.screened == "settled").sum() > 0
    assert (table.compute_dtype == "bfloat16").tolist() == (table.screened == "settled").tolist()
    about = [shard.schema.metadata for shards in found.scored[:-1] for shard in shards]
    assert {own[b"screened_in"] for own in about} == {b"bfloat16"}
    assert len({float(own[b"bound"]) for own in about}) == 1
    capsys.readouterr()
    score_variant(variant, "cpu", 1)
    shards = sum(len(shards) for shards in found.scored)
    assert f"store: {shards} of {shards} shards found" in capsys.readouterr().out


def test_evidence_is_the_fast_types_where_it_is_settled_and_float32s_elsewhere(tmp_path):
    variant = variant_of(tmp_path)
    kinds = {
        "screened": variant,
        "float32": in_float32(variant),
        "bfloat16": Variant(
            **{**vars(variant), "spec": {**variant.spec, "dtype": "bfloat16", "screened_in": None}}
        ),
    }
    margins, dtypes = {}, {}
    for name, own in kinds.items():
        table, _, _ = read(score_variant(own, "cpu", 1), tmp_path)
        margins[name] = read_samples(tmp_path / "m.parquet")[1].margin
        dtypes[name] = table.compute_dtype.to_numpy()
    assert set(dtypes["bfloat16"]) == {"bfloat16"}
    settled = dtypes["screened"] == "bfloat16"
    np.testing.assert_array_equal(margins["screened"][settled], margins["bfloat16"][settled])
    np.testing.assert_allclose(margins["screened"][~settled], margins["float32"][~settled], atol=1e-5)


@pytest.fixture
def wrong(monkeypatch):
    """The fast type says of every sample that its first token is surely not the greedy choice."""
    quickly = ScreenedScorer.quickly

    def lie(self, *given):
        evidence = quickly(self, *given)
        margin = evidence.margin.copy()
        margin[:, 0] = -1e4
        return evidence_of(margin, evidence.log_probability)

    monkeypatch.setattr(ScreenedScorer, "quickly", lie)
    monkeypatch.setattr(ScreenedScorer, "bound", 0.5)
    monkeypatch.setattr(screening, "AUDITED", 0.5)


@pytest.mark.parametrize("stored", [False, True])
def test_one_contradiction_has_the_whole_variant_scored_in_float32(stored, wrong, tmp_path, capsys):
    variant = variant_of(tmp_path)
    if stored:
        score_variant(variant, "cpu", 1)
        capsys.readouterr()
    found = score_variant(variant, "cpu", 1)
    line = "screening: float32 contradicts what bfloat16 had settled, so the whole variant is scored in "
    assert line in capsys.readouterr().out
    table, extracted, windows = read(found, tmp_path)
    assert set(table.compute_dtype) == {"float32"}
    assert {"contradicted", "settled"} <= set(table.screened)
    exact = score_variant(in_float32(variant), "cpu", 1)
    assert set(exact.names) < set(found.names)
    margins = read_samples(tmp_path / "m.parquet")[1].margin
    _, expected, windows_expected = read(exact, tmp_path)
    np.testing.assert_array_equal(margins, read_samples(tmp_path / "m.parquet")[1].margin)
    assert (extracted.tolist(), windows) == (expected.tolist(), windows_expected)


def test_a_contradicted_part_has_all_parts_scored_in_float32_at_the_end(wrong, tmp_path, capsys):
    variant = variant_of(tmp_path)
    for part in range(2):
        found = score_variant(variant, "cpu", 1, lambda tasks, part=part: part_of(tasks, part, 2))
        assert found.names
    whole = score_variant(variant, "cpu", 1, by_parts=True)
    assert set(read(whole, tmp_path)[0].compute_dtype) == {"float32"}


def test_parts_that_agree_leave_nothing_to_score(tmp_path, processor, capsys):
    variant = variant_of(tmp_path)
    for part in range(2):
        score_variant(variant, "cpu", 1, lambda tasks, part=part: part_of(tasks, part, 2))
    capsys.readouterr()
    found = score_variant(variant, "cpu", 1, by_parts=True)
    assert f"store: {len(found.names)} of {len(found.names)} shards found" in capsys.readouterr().out
    assert "bfloat16" in set(read(found, tmp_path)[0].compute_dtype)
    processor("avx2")  # of the machine that puts them together
    assert set(read(score_variant(variant, "cpu", 1, by_parts=True), tmp_path)[0].compute_dtype) == {
        "float32"
    }


def test_without_a_fast_type_it_says_so_and_computes_float32(tmp_path, processor, capsys):
    variant = variant_of(tmp_path)
    exact = score_variant(in_float32(variant), "cpu", 1)
    processor("avx2")
    found = score_variant(variant, "cpu", 1)
    output = capsys.readouterr().out
    assert "screening: this machine is no faster in bfloat16, so all is scored in float32" in output
    assert f"store: {len(exact.names)} of {len(exact.names)} shards found" in output
    assert found.names == exact.names


def test_the_table_counts_what_became_of_samples(tmp_path):
    outcomes = ["settled"] * 5 + ["audited"] * 2 + ["contradicted", "re-scored", "re-scored", None]
    measures = pd.DataFrame({"screened": outcomes, "compute_dtype": ["bfloat16"] * 5 + ["float32"] * 6})
    described = {"model": "m", "strategy": "global", "level": 0.3, "target": None, "sparsity": 0.3}
    measures = measures.assign(**described, removed=0.2, variant_bytes=7, context_length=50)
    [row] = screening_table(measures).to_dict("records")
    counts = {name: row[name] for name in ("samples", "settled", "rescored", "audited", "contradicted")}
    assert counts == {"samples": 10, "settled": 8, "rescored": 2, "audited": 3, "contradicted": 1}
    assert (row["compute_dtype"], row["context_length"]) == ("bfloat16, float32", 50)
    assert screening_table(measures[measures.screened.isna()]).columns.to_list() == list(row)
