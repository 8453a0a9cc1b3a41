"""Continuations are what `generate` gives from the start, computed once and measured."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from conftest import EVERY_FAMILY
from devices import DEVICES
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer
from safetensors.torch import load_file, save_file
from tiny_models import VOCABULARY, greedy, reference_model, tiny_model, write_mask_of

from memprune.config.strategies.prune_strategy import PruneStrategy
from memprune.errors import UserError
from memprune.evaluation.generate import generate
from memprune.evaluation.tasks import IDENTIFYING
from memprune.evaluation.variant import Variant
from memprune.findings.frames import VARIANT
from memprune.metrics import extracted
from memprune.metrics.generated.measure_continuations import COLUMNS, measure_continuations
from memprune.models.decoding import text_decoder
from memprune.models.resolve_model import resolve_model
from memprune.models.tokenization import load_tokenizer
from memprune.scoring import continuations
from memprune.scoring.continuations import continue_suffixes, decode, greedy_choice
from memprune.scoring.forced_pass import score_suffixes
from memprune.scoring.variant_model import load_variant

CPU = torch.device("cpu")
CONTEXT, SUFFIX = 12, 8
SPEC = {
    "context_length": CONTEXT, "suffix": SUFFIX, "seed": 0, "samples": 3, "dtype": "float32", "device": "cpu",
    "batch_tokens": 60, "residency": "auto", "memory": None,
}  # fmt: skip


@cache
def folder_of(family: str) -> Path:
    return tiny_model(family, "float32", Path(mkdtemp()))


@cache
def windows_of(family: str) -> tuple[np.ndarray, np.ndarray]:
    """Samples that a model reproduces until each place of the suffix, or wholly; what `generate` gives."""
    context = np.random.default_rng(0).integers(1, VOCABULARY, (2 * (SUFFIX + 1), CONTEXT))
    generated = greedy(reference_model(folder_of(family), None, "float32"), context, SUFFIX)
    true = generated.copy()
    for row, at in enumerate(np.random.default_rng(1).permutation(len(true)) % (SUFFIX + 1)):
        true[row, at : at + 1] = (true[row, at : at + 1] + 1) % VOCABULARY
    return np.concatenate([context, true], axis=1).astype(np.int32), generated


def model_of(family: str, block_tokens: int = 0, device: torch.device = CPU):
    return load_variant(resolve_model("tiny", folder_of(family)), (), torch.float32, device, block_tokens)


@pytest.mark.parametrize("device", DEVICES, ids=str)
@pytest.mark.parametrize("batch_tokens", [1, 70, 10**6])
def test_continuations_are_what_generate_gives_from_the_start(family, batch_tokens, device):
    samples, generated = windows_of(family)
    told = []
    found = continue_suffixes(model_of(family, device=device), samples, SUFFIX, batch_tokens, told.append)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, generated)
    assert sum(told) == samples.size


@pytest.mark.parametrize("block_tokens", [1, 10**6])
def test_a_streamed_model_continues_in_the_same_way(family, block_tokens):
    samples, generated = windows_of(family)
    found = continue_suffixes(model_of(family, block_tokens), samples[:9], SUFFIX, 70)
    np.testing.assert_array_equal(found, generated[:9])


def test_a_masked_model_continues_as_transformers_with_these_weights_zero(family, tmp_path):
    manifest = resolve_model("tiny", folder_of(family))
    mask = tmp_path / "mask.safetensors"
    write_mask_of(manifest, PruneStrategy(allocation="global").selection, 0.4, mask)
    samples, dense = windows_of(family)
    expected = greedy(reference_model(folder_of(family), mask, "float32"), samples[:, :CONTEXT], SUFFIX)
    found = continue_suffixes(load_variant(manifest, (mask,), torch.float32, CPU), samples, SUFFIX, 100)
    np.testing.assert_array_equal(found, expected)
    assert (found != dense).any()


def test_only_what_comes_after_a_first_mismatch_is_decoded(monkeypatch):
    samples, generated = windows_of("gpt_neox")
    batches = []

    def counted(model, batch, known):
        batches.append((batch.rows, known))
        return decode(model, batch, known)

    monkeypatch.setattr(continuations, "decode", counted)
    np.testing.assert_array_equal(continue_suffixes(model_of("gpt_neox"), samples, SUFFIX, 70), generated)
    matched = np.cumprod(generated == samples[:, CONTEXT:], axis=1).sum(axis=1)
    rows, known = map(np.concatenate, zip(*batches, strict=True))
    assert sorted(rows) == np.flatnonzero(matched < SUFFIX - 1).tolist()
    np.testing.assert_array_equal(known, CONTEXT + matched[rows] + 1)
    assert (np.diff(known) >= 0).all()


@pytest.mark.parametrize("family", ["gpt_neox", "llama"])
def test_a_continuation_is_exact_where_the_forced_pass_says_extracted(family):
    samples, _ = windows_of(family)
    model = model_of(family)
    exact = continue_suffixes(model, samples, SUFFIX, 100) == samples[:, CONTEXT:]
    evidence = score_suffixes(model, samples, [CONTEXT], SUFFIX, 100)
    assert exact.all(axis=1).tolist() == extracted.measure(evidence).tolist()
    assert 0 < exact.all(axis=1).sum() < len(samples)


@given(st.lists(st.lists(st.integers(-2, 3), min_size=7, max_size=7), min_size=1, max_size=20))
@settings(deadline=None)
def test_of_equal_logits_the_smallest_id_is_chosen(rows):
    logits = torch.tensor(rows, dtype=torch.float32)
    expected = logits.log_softmax(1).amax(1)
    log_probability, chosen = greedy_choice(logits.clone(), logits)
    assert chosen.tolist() == [row.index(max(row)) for row in rows]
    torch.testing.assert_close(log_probability, expected)


@pytest.mark.parametrize("matched", [0, SUFFIX])
def test_numbers_that_are_not_finite_are_refused(matched, tmp_path):
    """In the forced pass, or only later, when what is chosen leads there."""
    samples, generated = windows_of("gpt2")
    row = np.cumprod(generated == samples[:, CONTEXT:], axis=1).sum(axis=1).tolist().index(matched)
    folder = tiny_model("gpt2", "float32", tmp_path)
    weights = load_file(folder / "model.safetensors")
    weights["transformer.wte.weight"][generated[row, 1]] = torch.nan
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    model = load_variant(resolve_model("tiny", folder), (), torch.float32, CPU)
    with pytest.raises(UserError, match=r"row 0 of those scored.*not a number in transformer.wte.weight"):
        continue_suffixes(model, samples[row : row + 1], SUFFIX, 100)


def write_samples(path: Path, members: int, non_members: int, tokenizer: str) -> Path:
    """A samples file of two seeds; more samples are appended to the fewer ones of each."""
    windows, _ = windows_of("gpt_neox")
    kinds = [("member", seed, windows[:members]) for seed in (0, 1)]
    kinds += [("non_member", seed, windows[9 : 9 + non_members]) for seed in (0, 1)]
    rows = [
        {
            "sample": i, "split": split, "seed": seed, "pooled": seed == 0, "subset": "s",
            "document": f"d{i}", "duplicates": None, "tokens": row.tolist(),
        }
        for split, seed, own in kinds
        for i, row in enumerate(own)
    ]  # fmt: skip
    types = {"duplicates": pa.int32(), "tokens": pa.list_(pa.int32(), CONTEXT + SUFFIX)}
    table = pa.Table.from_pylist(rows)
    for name, kind in types.items():
        place = table.column_names.index(name)
        table = table.set_column(place, name, pa.array([row[name] for row in rows], kind))
    pq.write_table(table.replace_schema_metadata({"tokenizer": tokenizer}), path)
    return path


@pytest.fixture(params=EVERY_FAMILY)
def family(request) -> str:
    return request.param


@pytest.fixture
def variants(tmp_path, monkeypatch):
    """Makes the dense variant of a model on some samples of a file that has more or fewer, in a new store."""
    monkeypatch.setenv("MEMPRUNE_STORE", str(tmp_path / "store"))
    manifest = resolve_model("tiny", folder_of("gpt_neox"))

    def make(samples: int, members: int = 7, non_members: int = 5) -> Variant:
        path = write_samples(tmp_path / "samples.parquet", members, non_members, manifest.tokenizer)
        return Variant("dense", manifest, (), path, None, {**SPEC, "samples": samples})

    return make


def test_more_samples_and_other_variants_compute_only_what_is_missing(variants, tmp_path, monkeypatch):
    computed = []

    def counted(model, samples, *others):
        computed.append(len(samples))
        return continue_suffixes(model, samples, *others)

    monkeypatch.setattr(continuations, "continue_suffixes", counted)

    def continued(variant: Variant) -> tuple[int, pa.Table]:
        computed.clear()
        table, _, _ = generate(variant, "tiny", "cpu", 1)
        return sum(computed), table

    _, generated = windows_of("gpt_neox")
    assert continued(variants(3))[0] == 6
    assert continued(variants(3, members=9))[0] == 0
    assert continued(variants(5))[0] == 4
    rows, table = continued(variants(6))  # of which there are only five non-members
    assert rows == 1
    assert table["split"].to_pylist() == ["member"] * 6 + ["non_member"] * 5
    assert set(table["seed"].to_pylist()) == {0}
    np.testing.assert_array_equal(table["tokens"].to_pylist(), [*generated[:6], *generated[9:14]])
    assert table.column_names == [*VARIANT, *IDENTIFYING, "context_length", "tokens"]
    pruned = variants(6)
    mask = tmp_path / "mask.safetensors"
    write_mask_of(pruned.manifest, PruneStrategy(allocation="global").selection, 0.4, mask)
    rows, table = continued(replace(pruned, name="global@0.4", changes=[mask]))
    assert rows == 11
    assert table.slice(0, 1).select(VARIANT[:4]).to_pylist() == [
        {"model": "tiny", "strategy": "global", "level": 0.4, "target": None}
    ]
    assert table["sparsity"][0].as_py() == pytest.approx(0.4, abs=1e-3)


def test_samples_of_another_tokenizer_are_refused(variants, tmp_path):
    variant = variants(3)
    write_samples(variant.samples, 3, 3, "another's")
    with pytest.raises(UserError, match="tokenizer is not the one"):
        generate(variant, "tiny", "cpu", 1)


def test_measures_stand_beside_what_was_generated(variants, tmp_path):
    variant = variants(5)
    table, scored, _ = generate(variant, "tiny", "cpu", 1)
    shards = [{"rows": len(shard)} for shards in scored for shard in shards]
    path, output = tmp_path / "generation.parquet", tmp_path / "measures.parquet"
    # Rows in another order than the samples'.
    order = np.random.default_rng(0).permutation(len(table))
    pq.write_table(table.take(order).replace_schema_metadata({"shards": json.dumps(shards)}), path)
    tokenizer = load_tokenizer(variant.manifest.folder)
    measure_continuations(path, variant.samples, text_decoder(variant.manifest.folder), output)
    measures = pq.read_table(output)
    described = [*VARIANT, *IDENTIFYING, "context_length"]
    assert measures.column_names == [*described, *COLUMNS, "continuation", "suffix"]
    assert measures.select(described) == table.take(order).select(described)
    windows, generated = windows_of("gpt_neox")
    rows = np.array([*range(5), *range(9, 14)])[order]
    expected = (
        [tokenizer.decode(generated[row]) for row in rows],
        [tokenizer.decode(windows[row, CONTEXT:]) for row in rows],
    )
    assert (measures["continuation"].to_pylist(), measures["suffix"].to_pylist()) == expected
    same = (generated[rows] == windows[rows, CONTEXT:]).all(axis=1)
    assert measures["exact"].to_pylist() == same.tolist()
    assert 0 < same.sum() < len(rows)
    scorer = RougeScorer(["rougeL"], use_stemmer=False)
    found = [scorer.score(true, text)["rougeL"].fmeasure for text, true in zip(*expected, strict=True)]
    assert measures["rouge_l"].to_pylist() == found
    directions = {field.name: field.metadata for field in measures.schema}
    assert directions["rouge_l"] == {b"less_memorized": b"lower", b"better": b"higher"}
    assert directions["distinct_2"] == {b"better": b"higher"}
    types = {name: str(measures.schema.field(name).type) for name in COLUMNS}
    assert {name for name, kind in types.items() if kind == "bool"} == {
        "near_verbatim_5", "near_verbatim_10", "exact",
    }  # fmt: skip
    assert set(types.values()) == {"bool", "double"}
