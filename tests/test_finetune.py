"""Finetuning: transformers' gradients and torch's AdamW, zeros held, bad input told."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import torch
from conftest import EVERY_FAMILY, FAMILIES
from finetuned import CPU, SETTINGS, asked_of, pruned, texts
from safetensors.torch import load_file, save_file
from tiny_models import log_probabilities, tiny_model
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM

from memprune.config.experiment import check
from memprune.errors import UserError
from memprune.methods import finetune, training_state
from memprune.methods.trainable import load_trainable
from memprune.methods.training_loop import Recipe, learning_rate, texts_of_step
from memprune.methods.training_memory import FLOAT, training_bytes
from memprune.models.resolve_model import resolve_model
from memprune.planning.preflight import check_memory
from memprune.scoring.variant_model import load_variant
from memprune.variants.achieved import achieved
from memprune.variants.changes import About, about_change, write_change
from memprune.variants.codes import packed
from memprune.variants.floats import to_bits
from memprune.variants.masks import read_mask
from memprune.variants.weights_of_variant import weights_of_variant


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_to_train_computes_what_the_decoder_does(family, dtype, tmp_path):
    manifest = resolve_model("tiny", tiny_model(family, dtype, tmp_path / "model"))
    changes = [pruned(manifest, tmp_path)]
    model = load_trainable(manifest, changes, CPU).model
    with torch.no_grad():
        logits = model(torch.from_numpy(texts().astype(np.int64))[:, :-1]).logits
    expected = log_probabilities(load_variant(manifest, changes, torch.float32, CPU), texts())
    found = logits.log_softmax(-1).gather(2, torch.from_numpy(texts().astype(np.int64))[:, 1:, None])
    np.testing.assert_allclose(found[..., 0].numpy(), expected, atol=2e-5)


@pytest.mark.parametrize("head", ["none", "the embedding", "another", "alone"])
def test_a_tied_head_stays_tied(head, tmp_path):
    folder = tiny_model("gpt2", "float32", tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    embedding = next(name for name in weights if name.endswith("wte.weight"))
    if head != "none":
        weights["lm_head.weight"] = weights[embedding] + (head == "another")
    if head == "alone":
        del weights[embedding]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    manifest = resolve_model("tiny", folder)
    finetune.make(asked_of(manifest, tmp_path, 2), tmp_path / "change")
    after = weights_of_variant(manifest, [tmp_path / "change"])
    own = [name for name in (embedding, "lm_head.weight") if name in weights]
    assert set(own) <= set(about_change(tmp_path / "change").shapes)
    if len(own) == 2:
        assert np.array_equal(*map(after.bits, own)) == (head == "the embedding")


@pytest.mark.parametrize("family", FAMILIES)
def test_steps_are_those_of_adamw_on_the_mean_loss(family, tmp_path):
    folder = tiny_model(family, "float32", tmp_path / "model", layers=2)
    manifest = resolve_model("tiny", folder)
    mask = pruned(manifest, tmp_path)
    finetune.make(asked_of(manifest, tmp_path, 6, before=[mask]), tmp_path / "change")

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True).eval()
    own = dict(model.named_parameters())
    prefix = f"{model.base_model_prefix}."
    kept = {
        own.get(name, own.get(prefix + name)): torch.from_numpy(bits)
        for name, bits in read_mask(mask).items()
    }
    for parameter, bits in kept.items():
        parameter.data *= bits
    optimizer = torch.optim.AdamW(own.values(), betas=(0.9, 0.95), weight_decay=0, fused=False)
    for step, rate in enumerate([1, 5 / 5, 4 / 5, 3 / 5, 2 / 5, 1 / 5]):
        optimizer.param_groups[0]["lr"] = 1e-2 * rate
        some = torch.from_numpy(texts().astype(np.int64))[texts_of_step(step, Recipe(**SETTINGS, steps=6), 5)]
        optimizer.zero_grad()
        cross_entropy(model(some).logits[:, :-1].flatten(0, 1), some[:, 1:].flatten()).backward()
        for parameter, bits in kept.items():
            parameter.grad *= bits
        torch.nn.utils.clip_grad_norm_(own.values(), 1.0)
        optimizer.step()

    after = weights_of_variant(manifest, [mask, tmp_path / "change"])
    found = np.concatenate([after.bits(m.name).view(np.float32).ravel() for m in manifest.matrices])
    expected = [own.get(m.name, own.get(prefix + m.name)).detach().numpy().ravel() for m in manifest.matrices]
    # A step of AdamW is about the learning rate, whatever the gradient: one near zero may turn its sign.
    assert np.quantile(np.abs(found - np.concatenate(expected)), 0.99) < 1e-4
    assert set(about_change(tmp_path / "change").shapes) == set(weights_of_variant(manifest, ()).tensors)


def test_removed_weights_are_zero_after_every_step_and_in_the_file(tmp_path, monkeypatch):
    manifest = resolve_model("tiny", tiny_model("gpt_neox", "float16", tmp_path / "model"))
    mask = pruned(manifest, tmp_path)
    kept, saved = read_mask(mask), []

    def look(parameters, optimizer, losses, folder) -> float:
        saved.append(len(losses))
        for name, own in kept.items():
            values = parameters[name].detach().numpy()
            assert not values[~own].any()
            assert np.count_nonzero(values) == np.count_nonzero(own)
        return 0.0

    monkeypatch.setattr(training_state, "PAUSE", 0)
    monkeypatch.setattr(training_state, "save", look)
    finetune.make(asked_of(manifest, tmp_path, before=[mask], unfinished=tmp_path / "tmp"), tmp_path / "once")
    assert saved == [1, 2, 3, 4, 5]
    finetune.make(asked_of(manifest, tmp_path, before=[mask, tmp_path / "once"]), tmp_path / "twice")
    for chain in ([mask, tmp_path / "once"], [mask, tmp_path / "once", tmp_path / "twice"]):
        after = weights_of_variant(manifest, chain)
        for name, own in kept.items():
            assert not after.bits(name)[~own].any()
            assert about_change(chain[-1]).remaining[name] == np.count_nonzero(own)
        assert achieved(manifest, chain).sparsity == achieved(manifest, [mask]).sparsity


def test_dense_weights_of_the_checkpoints_dtype_are_left(tmp_path):
    manifest = resolve_model("tiny", tiny_model("llama", "bfloat16", tmp_path / "model"))
    finetune.make(asked_of(manifest, tmp_path), tmp_path / "change")
    about = about_change(tmp_path / "change")
    sizes = {name: tensor.size for name, tensor in weights_of_variant(manifest, ()).tensors.items()}
    assert about.remaining == {name: sizes[name] for name in about.shapes}
    assert all(tuple(storage) == (16, 0) for storage in about.storage.values())
    assert achieved(manifest, [tmp_path / "change"]).variant_bytes == manifest.tensor_bytes


def test_what_codes_round_to_zero_is_trained_and_what_a_mask_removed_is_not(tmp_path):
    manifest = resolve_model("tiny", tiny_model("llama", "float16", tmp_path / "model"))
    mask, coded = pruned(manifest, tmp_path), tmp_path / "codes"
    matrix = next(matrix for matrix in manifest.matrices if matrix.role == "up")
    before, kept = weights_of_variant(manifest, [mask]), read_mask(mask)[matrix.name]
    scale = np.float32(0.5)  # more than twice most weights: they are rounded to zero
    codes = np.clip(np.rint(before.bits(matrix.name).view(np.float16) / scale) + 4, 0, 7).astype(np.uint8)
    rounded = (codes == 4) & kept
    assert rounded.any()
    about = About(
        kind="codes",
        settings={},
        level=3,
        fingerprint=manifest.fingerprint,
        shapes={matrix.name: matrix.shape},
        remaining={matrix.name: int(kept.sum())},
        details={"bits": 3, "group": matrix.shape[1], "axis": 1},
    )
    scales = to_bits(np.full((matrix.shape[0], 1), scale), "float16")
    tensors = [(f"{matrix.name}.codes", packed(codes, 3)), (f"{matrix.name}.scales", scales)]
    write_change(about, tensors, coded)
    finetune.make(asked_of(manifest, tmp_path, before=[mask, coded]), tmp_path / "change")
    after = weights_of_variant(manifest, [mask, coded, tmp_path / "change"]).bits(matrix.name)
    assert not after[~kept].any()
    assert np.count_nonzero(after[rounded]) > 0.9 * np.count_nonzero(rounded)
    assert about_change(tmp_path / "change").remaining[matrix.name] == kept.sum()


def test_what_no_step_moves_is_not_in_the_file(tmp_path):
    manifest = resolve_model("tiny", tiny_model("opt", "float16", tmp_path / "model"))
    asked = asked_of(manifest, tmp_path, 1)
    slow = replace(asked, settings={**SETTINGS, "learning_rate": 1e-12})
    finetune.make(slow, tmp_path / "change")
    assert len(about_change(tmp_path / "change").shapes) < len(weights_of_variant(manifest, ()).tensors)


def test_texts_come_once_in_an_epoch_in_orders_of_their_own():
    recipe = Recipe(**{**SETTINGS, "batch": 3}, steps=10)
    taken = [text for step in range(10) for text in texts_of_step(step, recipe, 10)]
    epochs = [taken[start : start + 10] for start in (0, 10, 20)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len(set(map(tuple, epochs))) == 3


@pytest.mark.parametrize("steps", [1, 2, 7, 100])
def test_the_learning_rate_rises_to_its_peak_and_falls_towards_zero(steps):
    rates = [learning_rate(step, Recipe(**SETTINGS, steps=steps)) for step in range(steps)]
    peak = rates.index(max(rates))
    assert max(rates) == SETTINGS["learning_rate"]
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert min(rates) > 0


def test_losses_and_weights_that_are_not_finite_are_told(tmp_path):
    manifest = resolve_model("tiny", tiny_model("gpt2", "float16", tmp_path / "model", layers=2))
    asked = replace(asked_of(manifest, tmp_path), settings={**SETTINGS, "learning_rate": 1e30})
    with pytest.raises(UserError, match=r"^strategies.tuned: found a loss of \S+ at step 2, expected finite"):
        finetune.make(asked, tmp_path / "change")
    with pytest.raises(
        UserError, match=r"^strategies.tuned: found a weight of .* that is not finite in float16"
    ):
        finetune.make(replace(asked, level=1), tmp_path / "change")


def test_a_model_that_does_not_fit_is_told_before_it_is_loaded(tmp_path, monkeypatch):
    manifest = resolve_model("tiny", tiny_model("gpt2", "float16", tmp_path / "model"))
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=10**6))
    monkeypatch.setattr(finetune, "load_trainable", None)
    line = r"^strategies.tuned: found 0.00 GB free on cpu, needed 0.0[1-9] GB .*; try shorter texts, "
    with pytest.raises(UserError, match=line):
        finetune.make(asked_of(manifest, tmp_path), tmp_path / "change")


def test_a_model_that_no_memory_holds_is_told_before_any_job(tmp_path, monkeypatch):
    folder = str(tiny_model("gpt2", "float16", tmp_path / "model"))
    content = {
        "experiment": "tuned",
        "corpus": {"source": "embedded"},
        "retraining": {"texts": 8, "tokens": 64},
        "models": {"tiny": {"path": folder}},
        "strategies": {"tuned": {"method": "finetune", "levels": [2]}},
        "evaluation": {"device": "cpu"},
    }
    check_memory(check(content, "my.yaml"), "my.yaml")
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=10**6))
    line = r"^my.yaml: strategies.tuned: found 0.0 GB of memory, needed 0.\d GB to train model tiny; "
    with pytest.raises(UserError, match=line):
        check_memory(check(content, "my.yaml"), "my.yaml")
    content["evaluation"]["device"] = "auto"
    check_memory(check(content, "my.yaml"), "my.yaml")


@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_what_is_kept_of_a_batch_is_within_the_estimate(family, tmp_path):
    manifest = resolve_model("tiny", tiny_model(family, "float32", tmp_path / "model"))
    model, kept = load_trainable(manifest, (), CPU).model, {}
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)  # the tensor, lest its place be taken
        return tensor

    tokens = torch.zeros((16, 129), dtype=torch.long)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        logits = model(tokens[:, :-1], use_cache=False).logits
        cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
    found = sum(size for size, _ in kept.values())
    assert 1 / 3 < found / (training_bytes(manifest.architecture, 128, FLOAT) - manifest.tensor_bytes) < 1
