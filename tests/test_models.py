"""Model folders: what is read from them, and the one line that says what is wrong with one."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from conftest import FAMILIES
from experiments import local_experiment
from safetensors.torch import load_file, save_file
from tiny_models import tiny_model

from memprune.disk import sha256_of
from memprune.errors import UserError
from memprune.models.fetch_model import fetch_model
from memprune.models.manifest import read_manifest, write_manifest
from memprune.models.resolve_model import resolve_model
from memprune.models.tensor_names import find_matrices, find_parts
from memprune.planning.preflight import check_experiment


@pytest.fixture
def folder(tmp_path):
    return tiny_model("gpt_neox", "float16", tmp_path / "model")


def edit_json(path: Path, **changed) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_a_manifest_describes_the_checkpoint(name, dtype, tmp_path):
    folder = tiny_model(name, dtype, tmp_path / "model", layers=3)
    manifest = resolve_model("tiny", folder)
    weights = load_file(folder / "model.safetensors")
    architecture = manifest.architecture
    assert (architecture.family, manifest.dtype, architecture.layers) == (name, dtype, 3)
    assert (architecture.positions, manifest.vocabulary) == (128, 300)
    files = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
    assert manifest.hashes == {file: sha256_of(folder / file) for file in files}
    assert all(tuple(weights[m.name].shape) == m.shape for m in manifest.matrices)
    # Every matrix but the embeddings and the head is found, and in every layer the same ones.
    outside = ("embed", "wte", "wpe", "lm_head")
    inside = {n for n, w in weights.items() if w.ndim == 2 and not any(part in n for part in outside)}
    assert {m.name for m in manifest.matrices} == inside
    for layer in range(3):
        roles = [m.role for m in manifest.matrices if m.layer == layer]
        assert roles == [m.role for m in manifest.matrices if m.layer == 0]

    path = tmp_path / "manifest.json"
    write_manifest(manifest, path)
    assert read_manifest(path) == manifest


def test_the_fingerprint_follows_the_weights(folder):
    before = resolve_model("tiny", folder)
    weights = load_file(folder / "model.safetensors")
    weights[before.matrices[0].name][0, 0] += 1
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    after = resolve_model("tiny", folder)
    assert before.fingerprint != after.fingerprint
    assert before.tokenizer == after.tokenizer


def no_safetensors(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def not_safetensors(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\x80\x02}q\x00.")


def no_configuration(folder: Path) -> None:
    (folder / "config.json").unlink()


def broken_configuration(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def unknown_family(folder: Path) -> None:
    edit_json(folder / "config.json", model_type="no-such-type")


def unknown_matrix(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["gpt_neox.layers.0.mlp.router.weight"] = torch.zeros(2, 32, dtype=torch.float16)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def drop_tensor(folder: Path, name: str) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights[name]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def missing_matrix(folder: Path) -> None:
    drop_tensor(folder, "gpt_neox.layers.2.mlp.dense_4h_to_h.weight")


def no_head(folder: Path) -> None:
    drop_tensor(folder, "embed_out.weight")


def another_width(folder: Path) -> None:
    edit_json(folder / "config.json", intermediate_size=96)


def unknown_activation(folder: Path) -> None:
    edit_json(folder / "config.json", hidden_act="sine")


def unknown_rope(folder: Path) -> None:
    edit_json(folder / "config.json", rope_parameters={"rope_type": "longrope", "factor": 2.0})


def larger_tokenizer(folder: Path) -> None:
    content = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = content["model"]["vocab"]
    vocabulary.update({f"extra{i}": len(vocabulary) + i for i in range(100)})
    (folder / "tokenizer.json").write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (shutil.rmtree, "no such folder, expected one with safetensors"),
        (no_safetensors, "no safetensors file; found config.json"),
        (not_safetensors, "model.safetensors: not a safetensors file"),
        (no_configuration, "no config.json"),
        (broken_configuration, "config.json: not JSON"),
        (unknown_family, "config.json: model_type: found 'no-such-type', allowed: one that transformers"),
        (unknown_matrix, "mlp.router.weight: not known in family gpt_neox; looked for: attention"),
        (missing_matrix, "down of layer 2: found none, config.json asks for [32, 64]"),
        (another_width, "up of layer 0: found [64, 32], config.json asks for [96, 32]"),
        (no_head, "no head, and config.json does not tie it to the embedding"),
        (unknown_activation, "config.json: hidden_act: found 'sine', allowed: gelu, gelu_python, gelu_new"),
        (unknown_rope, "config.json: rope_type: found 'longrope', allowed: default, linear, dynamic, llama3"),
        (larger_tokenizer, "tokens, the model's embedding 300 rows; the tokenizer must not have more"),
    ],
)
def test_a_bad_folder_gives_its_line_before_any_job_and_in_the_job(folder, spoil, message):
    spoil(folder)
    for described, start in (
        (lambda: check_experiment(local_experiment(folder), "my.yaml"), "my.yaml: models.tiny: "),
        (lambda: resolve_model("tiny", folder), "models.tiny: "),
    ):
        with pytest.raises(UserError) as caught:
            described()
        assert str(caught.value).startswith(start)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_missing_tokenizer(folder):
    for file in folder.glob("tokenizer*"):
        file.unlink()
    with pytest.raises(UserError, match=r"models.tiny: .*: no tokenizer; looked for: tokenizer.json, "):
        resolve_model("tiny", folder)


def test_a_tokenizer_that_cannot_be_loaded(folder):
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(UserError, match=r"models.tiny: .*tokenizer.json: not a tokenizer"):
        resolve_model("tiny", folder)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"samples": {"context_lengths": [50, 100], "suffix": 50, "perplexity_window": 64}},
            "models.tiny: samples.context_lengths + suffix: found 150 tokens, allowed at most the model",
        ),
        (
            {"samples": {"context_lengths": [20], "suffix": 20, "perplexity_window": 512}},
            "models.tiny: samples.perplexity_window: found 512 tokens, allowed at most the model's 128",
        ),
        (
            {"strategies": {"gates": {"matrices": ["gate"], "levels": [0.1]}}},
            "strategies.gates: no matrix in model tiny; looked for gate in layers all; the model has",
        ),
        (
            {"strategies": {"deep": {"layers": [7], "levels": [0.1]}}},
            r"strategies.deep: no matrix in model tiny; looked for .* in layers \[7\]; .* in 4 layers",
        ),
    ],
)
def test_an_experiment_that_does_not_fit_its_model(folder, changed, message):
    check_experiment(local_experiment(folder), "my.yaml")
    with pytest.raises(UserError, match=message.replace("+", r"\+")):
        check_experiment(local_experiment(folder, **changed), "my.yaml")


def test_a_checkpoint_without_matrices():
    with pytest.raises(UserError, match=r"no prunable matrix in family gpt2; looked for: attn.c_attn"):
        find_matrices("gpt2", find_parts("gpt2", ["wte.weight"]))


def test_two_dtypes_among_the_matrices(folder):
    weights = load_file(folder / "model.safetensors")
    name = next(n for n in weights if n.endswith("dense_h_to_4h.weight"))
    weights[name] = weights[name].float()
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match="weights: found float16, float32; allowed: one of float32, float16"):
        resolve_model("tiny", folder)


def test_a_model_that_cannot_be_fetched_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        UserError, match=r"pythia-160m, revision main: config.json, model.safetensors, tokenizer.json"
    ) as e:
        fetch_model("EleutherAI/pythia-160m", "main")
    assert "hf download EleutherAI/pythia-160m --revision main" in str(e.value)


def test_a_model_in_the_hubs_cache_is_found_without_network(monkeypatch, tmp_path, folder):
    commit = "0123456789abcdef0123456789abcdef01234567"
    cached = tmp_path / "hub/models--someone--tiny"
    shutil.copytree(folder, cached / "snapshots" / commit)
    (cached / "refs").mkdir()
    (cached / "refs/main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    fetched = fetch_model("someone/tiny", "main")
    assert fetched["commit"] == commit
    assert resolve_model("tiny", fetched["folder"]).architecture.layers == 4
