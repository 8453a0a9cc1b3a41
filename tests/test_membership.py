"""Membership scores: the evidence from full logits, their definitions, their files, and what is refused."""

import json
import shutil
import zlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from conftest import FAMILIES
from experiments import local_experiment
from hypothesis import given, settings
from hypothesis import strategies as st
from score_files import DENSE, write
from tiny_models import VOCABULARY, reference_model, tiny_model
from tokenizer_folders import SPECIAL, lay_out, several_files

from memprune.errors import UserError
from memprune.metrics.membership.measure_membership import EVIDENCE, measure_membership
from memprune.metrics.membership.membership_scores import MEMBER, membership_scores
from memprune.models.decoding import text_decoder
from memprune.models.resolve_model import resolve_model
from memprune.models.tokenization import load_tokenizer
from memprune.planning.preflight import check_experiment
from memprune.scoring.forced_pass import score_texts
from memprune.scoring.moments import with_moments
from memprune.scoring.variant_model import load_variant


def direct(logits: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, ...]:
    """Log-probability of each row's target, mean and deviation of log-probabilities, all in float64."""
    logits = logits.astype(np.float64)
    log_probabilities = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    weights = np.exp(log_probabilities)
    finite = np.where(weights > 0, log_probabilities, 0)
    mean = (weights * finite).sum(1)
    variance = (weights * (finite - mean[:, None]) ** 2).sum(1)
    return log_probabilities[np.arange(len(logits)), targets], mean, np.sqrt(variance)


@given(
    seed=st.integers(0, 2**32 - 1),
    spread=st.sampled_from([1e-3, 0.1, 1, 10, 60]),
    level=st.sampled_from([0, -50, 1000]),
    excluded=st.sampled_from([0, 1, 900]),
)
@settings(deadline=None)
def test_moments_equal_a_direct_computation_from_full_logits(seed, spread, level, excluded):
    """Also where all tokens are alike, one is all but sure, or some have a logit of -inf."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(level, spread, (5, 1000)).astype(np.float32)
    logits[:, :excluded] = -np.inf
    targets = generator.integers(excluded, 1000, 5)
    found = with_moments(torch.from_numpy(logits.copy()), torch.from_numpy(targets)[:, None])
    log_probability, mean, deviation = expected = direct(logits, targets)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == torch.float32
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found[2], deviation, rtol=1e-4, atol=1e-12)
    if deviation.min() > 0.05:  # else the rounding of float32 is more than a thousandth of it
        normalised = (log_probability - mean) / deviation
        np.testing.assert_allclose((found[0] - found[1]) / found[2], normalised, rtol=1e-3, atol=1e-4)


def test_tokens_that_are_all_alike_or_one_that_is_sure_have_no_deviation():
    logits = torch.zeros(2, 300)
    logits[1, 7] = 500
    log_probability, mean, deviation = with_moments(logits, torch.tensor([[5], [7]]))
    assert log_probability.tolist() == mean.tolist() == pytest.approx([-np.log(300), 0])
    assert deviation.tolist() == [0, 0]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_pass_over_windows_gives_the_moments_of_transformers_logits(family, tmp_path):
    folder = tiny_model(family, "float32", tmp_path)
    model = load_variant(resolve_model("tiny", folder), (), torch.float32, torch.device("cpu"))
    windows = np.random.default_rng(0).integers(2, VOCABULARY, (5, 40)).astype(np.int32)
    found = score_texts(model, list(windows), np.full(5, 39), with_moments, batch_tokens=80)
    with torch.inference_mode():
        logits = reference_model(folder, None, "float32")(torch.from_numpy(windows).long()).logits.numpy()
    for ours, own, row in zip(found, logits, windows, strict=True):
        expected = direct(own[:-1], row[1:])
        assert [len(part) for part in ours] == [39] * 3  # all tokens but the first
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-4)
        evidence = dict(zip(EVIDENCE, (part[None] for part in ours), strict=True))
        log_probability, mean, deviation = expected
        scores = membership_scores(evidence, ["text"], 0.2, None)
        assert scores["loss"] == pytest.approx(-log_probability.mean(), rel=1e-4)
        assert scores["min_k"] == pytest.approx(np.sort(log_probability)[:7].mean(), rel=1e-4)
        normalised = np.sort((log_probability - mean) / deviation)
        assert scores["min_k_plus_plus"] == pytest.approx(normalised[:7].mean(), rel=1e-3)


def float32(*rows: list[float]) -> np.ndarray:
    return np.array(rows, dtype=np.float32)


def test_scores_by_hand():
    evidence = {
        "log_probability": float32([-1, -4, -2, -1], [-8, -2, -2, -4]),
        "mean": float32([-2, -2, -2, -2], [-2, -3, -4, -2]),
        "deviation": float32([1, 2, 1, 0.5], [3, 1, 0.5, 1]),
    }
    texts = ["a text, and another", "é" * 40]
    reference = float32([-1, -1, -1, -1], [-5, -5, -5, -5])
    sizes = [len(zlib.compress(text.encode("utf-8"))) for text in texts]
    expected = {
        "loss": [2, 4],
        "zlib": [2 / sizes[0], 4 / sizes[1]],
        "min_k": [(-4 - 2) / 2, (-8 - 4) / 2],
        "min_k_plus_plus": [(-1 + 0) / 2, (-2 - 2) / 2],
        "reference": [2 - 1, 4 - 5],
    }
    for share in (0.5, 0.7):  # rounded down
        found = membership_scores(evidence, texts, share, reference)
        assert {name: values.tolist() for name, values in found.items()} == expected
        assert {values.dtype for values in found.values()} == {np.dtype(np.float64)}
    lowest = membership_scores(evidence, texts, 0.01, None)  # one token at least
    assert lowest["min_k"].tolist() == [-4, -8]
    assert np.isnan(lowest["reference"]).all()
    assert list(lowest) == list(MEMBER)


def test_a_deviation_of_0_gives_0_at_the_mean_and_a_finite_number_elsewhere():
    evidence = {
        "log_probability": float32([-5, 0], [-200, 0]),
        "mean": float32([-5, 0], [0, 0]),
        "deviation": float32([0, 0], [0, 0]),
    }
    at_mean, elsewhere = membership_scores(evidence, ["", ""], 0.5, None)["min_k_plus_plus"]
    assert at_mean == 0
    assert -np.inf < elsewhere < -1e30


@pytest.mark.parametrize("form", ["bytes", "words", "pieces", "several files"])
def test_texts_are_those_that_transformers_decodes(form, tmp_path):
    folder = tmp_path / "tokenizer"
    if form == "several files":
        several_files(folder)
    else:
        lay_out(folder, form, SPECIAL["two tokens"])
    tokenizer, decode = load_tokenizer(folder), text_decoder(folder)
    for text in ("In the beginning was the word , and", " the  word\n"):
        ids = tokenizer(text).input_ids
        assert decode(ids) == tokenizer.decode(ids, clean_up_tokenization_spaces=False)


SAMPLES = {
    "sample": [0, 1, 0],
    "split": ["member", "member", "non_member"],
    "seed": [0, 1, 0],
    "pooled": [True, False, True],
    "subset": ["A", "B", "A"],
    "document": ["d0", "d0", "d1"],
    "duplicates": pa.array([2, None, None], pa.int32()),
}


def write_samples(path, **changed):
    windows = pa.array([[72, 73, 74, 75], [80, 81, 82, 83], [90, 90, 90, 90]], pa.list_(pa.int32(), 4))
    pq.write_table(pa.table(SAMPLES | {"tokens": windows} | changed), path)
    return path


def write_scores(path, seed=0, variant=("m", "dense", 0.0), lengths=(3, 3, 3), **changed):
    """The evidence on the samples' tokens but the first, drawn at random, and its arrays."""
    generator = np.random.default_rng(seed)
    evidence = {name: -generator.exponential(2, (3, 3)).astype(np.float32) for name in EVIDENCE[:2]}
    evidence["deviation"] = generator.exponential(2, (3, 3)).astype(np.float32)
    lists = {name: pa.array(list(rows), pa.list_(pa.float32())) for name, rows in evidence.items()}
    columns = SAMPLES | {"tokens": pa.array(lengths, pa.int32())} | lists | changed
    write(path, variant, columns, {"float32": 3}, DENSE)
    return path, evidence


def text_of(ids: list[int]) -> str:
    return "".join(map(chr, ids))


def test_measures_have_a_row_a_sample_of_all_seeds_and_say_where_members_lie(tmp_path):
    samples = write_samples(tmp_path / "samples.parquet")
    scores, evidence = write_scores(tmp_path / "scores.parquet", variant=("m", "global", 0.3))
    reference, other = write_scores(tmp_path / "reference.parquet", seed=1, variant=("r", "dense", 0.0))
    output = tmp_path / "measures.parquet"
    measure_membership(scores, samples, reference, text_of, 0.2, output)
    table = pq.read_table(output)
    first = ["model", "strategy", "level", "target", "sparsity", "removed", "variant_bytes"]
    assert table.column_names == [*first, *SAMPLES, *MEMBER]
    texts = ["HIJK", "PQRS", "ZZZZ"]
    expected = membership_scores(evidence, texts, 0.2, other["log_probability"])
    for name, values in expected.items():
        field = table.schema.field(name)
        assert (field.type, field.metadata) == (pa.float64(), {b"member": MEMBER[name].encode()})
        assert table[name].to_pylist() == values.tolist()
    assert table["seed"].to_pylist() == SAMPLES["seed"]
    assert len(table.schema.metadata[b"evidence"]) == 64

    measure_membership(scores, samples, None, text_of, 0.2, output)
    alone = pq.read_table(output)
    assert alone["reference"].null_count == 3
    assert alone.schema.field("reference").type == pa.float64()
    assert alone.drop_columns("reference") == table.drop_columns("reference")
    pruned, _ = write_scores(tmp_path / "pruned.parquet", seed=2, variant=("r", "global", 0.3))
    for own in (reference, pruned):  # no reference for itself
        measure_membership(own, samples, reference, text_of, 0.2, output)
        assert pq.read_table(output)["reference"].null_count == 3


def test_other_samples_and_damaged_files_are_one_line(tmp_path):
    samples, output = write_samples(tmp_path / "samples.parquet"), tmp_path / "measures.parquet"
    scores, _ = write_scores(tmp_path / "scores.parquet")
    other, _ = write_scores(tmp_path / "other.parquet", document=["d0", "d0", "d2"])
    ragged, _ = write_scores(tmp_path / "ragged.parquet", lengths=(3, 3, 2))
    for given_scores, reference, message in (
        (other, None, "samples.parquet: found other samples than were scored"),
        (scores, other, "other.parquet: found other samples than were scored"),
        (ragged, None, "ragged.parquet: cannot be read .*of other lengths than tokens"),
    ):
        with pytest.raises(UserError, match=message):
            measure_membership(given_scores, samples, reference, text_of, 0.2, output)
    scores.write_bytes(scores.read_bytes()[:-20])
    with pytest.raises(UserError, match=r"scores.parquet: cannot be read"):
        measure_membership(scores, samples, None, text_of, 0.2, output)


def test_a_reference_with_another_tokenizer_is_refused_before_any_job(tmp_path):
    folders = [tiny_model("gpt_neox", "float32", tmp_path / name, layers=2) for name in ("own", "other")]
    models = {folder.name: {"path": str(folder)} for folder in folders}
    config = local_experiment(folders[0], models=models, membership={"reference": "other"})
    check_experiment(config, "my.yaml")
    file = folders[1] / "tokenizer.json"
    content = json.loads(file.read_text())
    vocabulary = content["model"]["vocab"]
    vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]
    file.write_text(json.dumps(content))
    with pytest.raises(UserError) as caught:
        check_experiment(config, "my.yaml")
    expected = "my.yaml: models.other: its tokenizer is not that of own; all models of an experiment must"
    assert str(caught.value).startswith(expected)
    assert "\n" not in str(caught.value)
    shutil.rmtree(folders[1])
    with pytest.raises(UserError, match=r"models.other: .*no such folder"):
        check_experiment(config, "my.yaml")
