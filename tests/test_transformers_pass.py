"""What transformers computes has the evidence that the decoder of ours has, and says once that it does."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from conftest import EVERY_FAMILY
from devices import DEVICES
from outlined import outlined
from project import copy_project, lay_out, run, snakemake
from safetensors.torch import load_file, save_file
from test_generation import CONTEXT, SUFFIX, folder_of, windows_of
from tiny_models import (
    ALLOWED,
    VOCABULARY,
    evidence,
    half_memorized,
    reference_model,
    tiny_model,
    tiny_tokenizer,
    write_mask_of,
)
from transformers import AutoModelForCausalLM, GPTBigCodeConfig, MixtralConfig

from memprune.errors import UserError
from memprune.methods.selection import Selection
from memprune.models.manifest import read_manifest, write_manifest
from memprune.models.resolve_model import resolve_model
from memprune.models.roles import MATRIX_GROUPS
from memprune.scoring.continuations import continue_suffixes
from memprune.scoring.forced_pass import score_suffixes
from memprune.scoring.load_model import load_model
from memprune.scoring.transformers_pass import load_through_transformers
from memprune.scoring.variant_model import load_variant

GLOBAL = Selection(MATRIX_GROUPS["all"], "all", allocation="global", criterion="magnitude")


@pytest.mark.parametrize("dtype", ALLOWED)
@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_both_ways_prune_the_same_matrices_and_extract_the_same(family, dtype, tmp_path):
    folder = tiny_model(family, dtype, tmp_path / "model")
    known, other = resolve_model("tiny", folder), outlined(folder)
    assert sorted(map(repr, known.matrices)) == sorted(map(repr, other.matrices))
    masks = [tmp_path / "known", tmp_path / "other"]
    for manifest, mask in zip((known, other), masks, strict=True):
        write_mask_of(manifest, GLOBAL, 0.3, mask)
    ours, theirs = map(load_file, masks)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    kind = getattr(torch, dtype)
    texts = half_memorized(reference_model(folder, masks[0], dtype), 20, 10)
    for device in DEVICES:
        found = evidence(load_variant(known, masks[:1], kind, device), texts)
        expected = evidence(load_through_transformers(other, masks[1:], kind, device), texts)
        np.testing.assert_allclose(found[0], expected[0], atol=ALLOWED[dtype])
        clear = np.minimum(abs(found[1]), abs(expected[1])) > 2 * ALLOWED[dtype]
        assert clear.any()
        assert (np.sign(found[1]) == np.sign(expected[1]))[clear].all()


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_continuations_are_those_of_generate(family):
    manifest, (samples, generated) = outlined(folder_of(family)), windows_of(family)
    for device in DEVICES:
        model = load_through_transformers(manifest, (), torch.float32, device)
        np.testing.assert_array_equal(
            continue_suffixes(model, samples, SUFFIX, 3 * (CONTEXT + SUFFIX)), generated
        )


def test_few_texts_at_one_time_have_the_same_evidence(monkeypatch):
    manifest, (samples, _) = outlined(folder_of("gpt_neox")), windows_of("gpt_neox")
    model = load_through_transformers(manifest, (), torch.float32, torch.device("cpu"))
    whole = score_suffixes(model, samples, [6, CONTEXT], SUFFIX, 1000)
    monkeypatch.setattr("memprune.scoring.transformers_pass.LOGITS", 1)
    single = score_suffixes(model, samples, [6, CONTEXT], SUFFIX, 1000)
    np.testing.assert_allclose(whole.log_probability, single.log_probability, atol=2e-5)


def test_manifests_are_read_as_they_were_written(tmp_path):
    manifest = outlined(folder_of("gpt2"))
    assert manifest.architecture.input_first
    write_manifest(manifest, tmp_path / "manifest.json")
    assert read_manifest(tmp_path / "manifest.json") == manifest


def mixtral(folder: Path) -> Path:
    """A random model of a family that the decoder has not, with experts and routers, in float16."""
    torch.manual_seed(0)
    config = MixtralConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        intermediate_size=48, num_local_experts=4, max_position_embeddings=128,
        vocab_size=VOCABULARY, sliding_window=None,
    )  # fmt: skip
    AutoModelForCausalLM.from_config(config).half().save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


@pytest.mark.slow
@pytest.mark.usefixtures("all_forked")
def test_a_model_of_another_family_goes_through_the_whole_workflow(tmp_path):
    copy_project(tmp_path)
    lay_out(tmp_path)
    shutil.rmtree(tmp_path / "models/small")
    folder = mixtral(tmp_path / "models/small")
    jobs, _, _ = run(tmp_path)
    assert jobs["evaluate"] == 8
    results = tmp_path / "results/tiny"
    matrices = json.loads((results / "models/small/manifest.json").read_text())["matrices"]
    assert len(matrices) == 2 * (4 + 3 * 4)  # attention's, and three of each expert; no router
    log = (results / "logs/evaluate/small/global@0.3.log").read_text()
    assert log.count("transformers computes this model (mixtral)") == 1
    scores = pq.read_table(results / "scores/small/global@0.3.memorization.parquet")
    shards = json.loads(scores.schema.metadata[b"shards"])
    assert {shard["computed_by"] for shard in shards} == {"transformers"}
    samples = pd.read_parquet(results / "samples/samples.parquet")
    expected = pruned_log_probabilities(folder, results / "changes/small/global@0.3.safetensors", samples)
    found = scores.to_pandas()
    found = found[found.context_length == 30]
    np.testing.assert_allclose(np.stack(found.log_probability), expected, atol=1e-5)


def pruned_log_probabilities(folder: Path, mask: Path, samples: pd.DataFrame) -> np.ndarray:
    """Of the last 10 tokens of each sample, by transformers alone, pruned weights zero in the files."""
    from walked_types import loaded, prune_files, reference

    copy = shutil.copytree(folder, folder.with_name("pruned"))
    prune_files(copy, mask)
    return reference(loaded(copy), np.stack(samples.tokens))[:, -10:]


def named(folder: Path, **roles: str | None) -> Path:
    """The experiment with another model, and roles in its configuration."""
    import yaml

    content = yaml.safe_load((folder / "tiny.yaml").read_text())
    content["models"]["small"] |= {"roles": {name.replace("__", "."): role for name, role in roles.items()}}
    (folder / "tiny.yaml").write_text(yaml.safe_dump(content))
    return folder


def unknown_names(folder: Path) -> None:
    """Give the model's MLP a name that no table knows."""
    path = folder / "models/small/model.safetensors"
    weights = load_file(path)
    save_file({name.replace(".w1.", ".wi."): own for name, own in weights.items()}, path, {"format": "pt"})


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            lambda folder: named(folder, block_sparse_moe__experts="up"),
            "models.small: roles: found block_sparse_moe.experts; the model has block_sparse_moe.experts.*",
        ),
        (unknown_names, "models.small: roles: found no role for block_sparse_moe.experts.*.wi; name them"),
        (
            lambda folder: named(folder, self_attn__q_proj="queries"),
            "models.small.roles.self_attn.q_proj: found 'queries'; input should be 'query_key_value'",
        ),
    ],
)
def test_roles_that_are_wrong_are_a_line(change, line, tmp_path):
    lay_out(tmp_path)
    shutil.rmtree(tmp_path / "models/small")
    mixtral(tmp_path / "models/small")
    change(tmp_path)
    done = snakemake(tmp_path, "--configfile", "tiny.yaml", "-n")
    assert done.returncode != 0
    assert line in done.stderr.splitlines()[-1]


def test_roles_of_a_known_family_are_refused(tmp_path):
    folder = tiny_model("llama", "float32", tmp_path / "model")
    with pytest.raises(UserError, match="roles: found x, allowed: none for a llama model"):
        resolve_model("tiny", folder, {"x": "up"})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("quantization_config", {"quant_method": "bitsandbytes"}),
        ("attn_implementation", "someone/kernel"),
        ("text_config", {"_attn_implementation": "someone/kernel"}),
    ],
)
def test_settings_that_bring_other_weights_or_code_are_a_line(key, value, tmp_path):
    folder = mixtral(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {key: value}))
    with pytest.raises(UserError, match=r"config.json: \w+: found .+, allowed: None"):
        resolve_model("tiny", folder)


def test_a_configuration_that_was_changed_meanwhile_is_a_line(tmp_path):
    folder = mixtral(tmp_path / "model")
    manifest = resolve_model("tiny", folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"rms_norm_eps": 0.1}))
    with pytest.raises(UserError, match=r"config\.json"):
        load_through_transformers(manifest, (), torch.float32, torch.device("cpu"))


def test_streaming_is_refused():
    with pytest.raises(UserError, match="residency: found a llama model that is to be streamed"):
        load_model(outlined(folder_of("llama")), (), torch.float32, torch.device("cpu"), 1)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda tensors: tensors.pop("transformer.ln_f.bias"), "missing keys: found transformer.ln_f.bias"),
        (
            lambda tensors: tensors.update(more=torch.ones(2)),
            "unexpected keys: found more",
        ),
        (
            lambda tensors: tensors.update({"transformer.ln_f.bias": torch.ones(3)}),
            "mismatched keys: found",
        ),
    ],
)
def test_files_that_do_not_fit_the_configuration_are_a_line(change, line, tmp_path):
    config = GPTBigCodeConfig(n_embd=32, n_layer=2, n_head=4, n_positions=64, vocab_size=VOCABULARY)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    change(tensors)
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError) as raised:
        resolve_model("tiny", tmp_path)
    assert line in str(raised.value)
