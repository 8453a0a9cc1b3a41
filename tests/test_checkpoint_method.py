"""Checkpoints made elsewhere as variants: the same numbers as the checkpoint's own, and what is refused."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from experiments import local_experiment
from safetensors.torch import load_file, save_file
from tiny_models import log_probabilities, tiny_model, write_mask_of

from memprune.config.strategies.prune_strategy import PruneStrategy
from memprune.errors import UserError
from memprune.exports.export_variant import export_variant
from memprune.methods import given_checkpoint
from memprune.methods.asked import Asked
from memprune.models.manifest import Manifest, write_manifest
from memprune.models.resolve_model import resolve_model
from memprune.models.weights import read_headers
from memprune.planning import paths
from memprune.planning.preflight import check_experiment
from memprune.planning.stale import changed_sources
from memprune.scoring.variant_model import load_variant
from memprune.variants.achieved import achieved
from memprune.variants.zeros_table import zeros_table

FILE = "model.safetensors"
Edit = Callable[[dict[str, torch.Tensor]], object]


def with_weights(folder: Path, target: Path, edit: Edit) -> Path:
    """A copy of a model folder whose tensors an edit has changed in place."""
    shutil.copytree(folder, target)
    weights = load_file(folder / FILE)
    edit(weights)
    save_file({name: own.contiguous() for name, own in weights.items()}, target / FILE, {"format": "pt"})
    return target


def made(manifest: Manifest, folder: Path, to: Path, before=()) -> Path:
    """The change by which a model becomes the checkpoint in a folder."""
    described, path = to / "checkpoint.json", to / "change.safetensors"
    write_manifest(resolve_model("trained@0.5", folder), described)
    given_checkpoint.make(Asked(manifest, {}, 0.5, "trained", before, {"checkpoint": described}), path)
    return path


def matrices_in(weights: dict[str, torch.Tensor], layer: int) -> list[str]:
    """The names of a layer's matrices, of any family."""
    return [name for name, own in weights.items() if f".{layer}." in name and own.ndim == 2]


def trained_elsewhere(weights: dict[str, torch.Tensor]) -> None:
    """Half of each matrix of layer 1 becomes zero, of either sign; a vector of layer 0 moves."""
    for name in matrices_in(weights, 1):
        weights[name].view(-1)[::4] = 0.0
        weights[name].view(-1)[2::4] = -0.0
        weights[name].view(-1)[1::2] *= 1.5
    name = next(name for name, own in weights.items() if ".0." in name and own.ndim == 1)
    weights[name] += 0.25


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_a_variant_is_the_checkpoint_to_the_bit(family, dtype, tmp_path):
    folder = tiny_model(family, dtype, tmp_path / "model", layers=2)
    other = with_weights(folder, tmp_path / "other", trained_elsewhere)
    manifest = resolve_model("tiny", folder)
    change = made(manifest, other, tmp_path)
    dense, expected = load_file(folder / FILE), load_file(other / FILE)
    changed = set(read_headers([change]))
    assert changed == {name for name in dense if not torch.equal(dense[name], expected[name])}
    assert len(changed) == len(matrices_in(dense, 1)) + 1
    (tmp_path / "export").mkdir()
    export_variant(manifest, [change], tmp_path / "export")
    found = load_file(tmp_path / "export" / FILE)
    for name, own in expected.items():
        assert torch.equal(found[name].view(torch.uint8), own.view(torch.uint8)), name
    texts = np.random.default_rng(0).integers(0, 256, (2, 20))
    scores = [
        log_probabilities(load_variant(about, own, torch.float32, torch.device("cpu")), texts)
        for about, own in ((manifest, [change]), (resolve_model("other", other), []))
    ]
    np.testing.assert_array_equal(*scores)


def test_zeros_count_as_removed_of_the_matrices_that_have_some(family, tmp_path):
    folder = tiny_model(family, "float16", tmp_path / "model", layers=2)
    other = with_weights(folder, tmp_path / "other", trained_elsewhere)
    manifest, weights = resolve_model("tiny", folder), load_file(other / FILE)
    change = made(manifest, other, tmp_path)
    zeros = {m.name: int((weights[m.name] == 0).sum()) for m in manifest.matrices}
    scope = sum(m.weights for m in manifest.matrices if zeros[m.name])
    found = achieved(manifest, [change])
    assert found.sparsity == pytest.approx(sum(zeros.values()) / scope)
    assert found.sparsity == pytest.approx(0.5, abs=0.01)
    assert found.removed == pytest.approx(sum(zeros.values()) / sum(m.weights for m in manifest.matrices))
    assert {row["matrix"]: row["zeros"] for row in zeros_table(manifest, [change])} == zeros


def test_the_models_own_files_change_nothing(tmp_path):
    folder = tiny_model("llama", "bfloat16", tmp_path / "model", layers=2)
    manifest = resolve_model("tiny", folder)
    change = made(manifest, folder, tmp_path)
    assert read_headers([change]) == {}
    assert achieved(manifest, [change]) == achieved(manifest, [])


def test_after_a_mask_it_undoes_what_it_does_not_share(tmp_path):
    folder = tiny_model("gpt2", "float32", tmp_path / "model", layers=2)
    manifest, mask = resolve_model("tiny", folder), tmp_path / "mask.safetensors"
    write_mask_of(manifest, PruneStrategy(matrices="mlp").selection, 0.5, mask)
    change = made(manifest, folder, tmp_path, before=[mask])
    assert set(read_headers([change])) == {m.name for m in manifest.matrices if m.role in ("up", "down")}
    assert achieved(manifest, [mask, change]).removed == 0


def test_weights_that_are_not_finite_are_refused(tmp_path):
    folder = tiny_model("opt", "float16", tmp_path / "model", layers=2)

    def spoil(weights: dict[str, torch.Tensor]) -> None:
        weights[matrices_in(weights, 1)[0]][3, 4] = float("nan")

    other = with_weights(folder, tmp_path / "other", spoil)
    with pytest.raises(UserError, match=r"other: .*layers\.1\..* has weights that are infinite or not a num"):
        made(resolve_model("tiny", folder), other, tmp_path)


def with_another_tokenizer(folder: Path) -> None:
    """Two tokens change places."""
    content = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = content["model"]["vocab"]
    vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]
    (folder / "tokenizer.json").write_text(json.dumps(content))


def other_folder(kind: str, folder: Path) -> Path:
    """A model that may not stand for a tiny one of GPT-NeoX in float32 and two layers."""
    if kind == "layers":
        return tiny_model("gpt_neox", "float32", folder, layers=3)
    if kind == "dtype":
        return tiny_model("gpt_neox", "float16", folder, layers=2)
    tiny_model("gpt_neox", "float32", folder, layers=2)
    if kind == "tokenizer":
        with_another_tokenizer(folder)
    if kind == "epsilon":
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"layer_norm_eps": 1e-3}))
    if kind == "names":
        weights = load_file(folder / FILE)
        save_file(
            {name.removeprefix("gpt_neox."): own for name, own in weights.items()},
            folder / FILE,
            {"format": "pt"},
        )
    return folder


REFUSALS = {
    "layers": "architecture: found layers 3, the model has 2",
    "dtype": r": found float16 \[.*, the model has float32 \[",
    "tokenizer": "found another tokenizer, allowed: that of model tiny",
    "epsilon": "architecture: found epsilon 0.001, the model has 1e-05",
    "names": "tensors: found other names than the model's: it has and the model lacks embed_in.weight",
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_what_is_no_other_state_of_the_model_is_refused_before_and_in_the_job(kind, tmp_path):
    folder = tiny_model("gpt_neox", "float32", tmp_path / "model", layers=2)
    other = other_folder(kind, tmp_path / "other")
    trained = {"trained": {"method": "checkpoint", "checkpoints": {0.5: str(other)}}}
    with pytest.raises(UserError, match=REFUSALS[kind]) as caught:
        check_experiment(local_experiment(folder, strategies=trained), "my.yaml")
    assert str(caught.value).startswith(f"my.yaml: strategies.trained.checkpoints.0.5: {other}: ")
    with pytest.raises(UserError, match=REFUSALS[kind]) as caught:
        made(resolve_model("tiny", folder), other, tmp_path)
    assert str(caught.value).startswith(f"strategies.trained.checkpoints: {other}: ")
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_no_model_is_told_before_any_job(tmp_path):
    folder = tiny_model("gpt_neox", "float32", tmp_path / "model", layers=2)
    (tmp_path / "empty").mkdir()
    for place, line in (("gone", "gone: no such folder"), ("empty", "empty: no config.json")):
        trained = {"trained": {"method": "checkpoint", "checkpoints": {0.5: str(tmp_path / place)}}}
        with pytest.raises(UserError) as caught:
            check_experiment(local_experiment(folder, strategies=trained), "my.yaml")
        assert f"my.yaml: strategies.trained.checkpoints.0.5: {tmp_path}/{line}" in str(caught.value)


def test_what_is_known_of_a_checkpoint_is_stale_when_its_files_change(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tiny_model("gpt_neox", "float32", tmp_path / "model", layers=2)
    other = with_weights(folder, tmp_path / "other", trained_elsewhere)
    trained = {"trained": {"method": "checkpoint", "checkpoints": {0.5: str(other)}}}
    config = local_experiment(folder, strategies=trained)
    [described] = paths.all_checkpoints(config)
    Path(described).parent.mkdir(parents=True)
    manifest = resolve_model("trained@0.5", other)
    write_manifest(manifest, described)
    assert changed_sources(config) == {}
    shutil.copy(folder / FILE, other / FILE)
    assert changed_sources(config) == {described: f"{other / FILE} has changed"}
    write_manifest(replace(manifest, hashes={"gone.json": ""}), described)
    assert changed_sources(config) == {described: f"{other / 'gone.json'} is missing"}
