"""SparseGPT against the optimal update solved anew for each input, and its zeros counted in its files."""

from math import prod
from pathlib import Path

import numpy as np
import pytest
import torch
from calibration_text import write_calibration
from hypothesis import given
from hypothesis import strategies as st
from second_order import (
    curvature,
    dampened,
    experiment,
    inputs_of_maps,
    inputs_of_matrix,
    random_inputs,
    weights_after,
)
from tiny_models import log_probabilities, manifest_of, reference_model, tiny_model, write_mask_of

from memprune.errors import UserError
from memprune.methods import sparsegpt
from memprune.methods.asked import Asked
from memprune.methods.selection import Selection
from memprune.methods.sparsegpt import lowest, prune_matrix, share_out
from memprune.models.manifest import Manifest
from memprune.models.roles import MATRIX_GROUPS
from memprune.scoring.variant_model import load_variant
from memprune.variants.achieved import achieved
from memprune.variants.changes import about_change
from memprune.variants.regions import own_lines

TOKENS = np.random.default_rng(3).integers(0, 250, (24, 40))


def one_by_one(
    weights: np.ndarray, rows: np.ndarray, level: float, pattern: str | None = None, block: int = 128
) -> np.ndarray:
    """The published algorithm with inverses in place of factors: inputs × outputs, float64.

    Of each block, or of each m inputs of an output, those go with the lowest w² / [H⁻¹]_jj, where the inverse
    is of the inputs from j on; the error of each is spread over the inputs after it.
    """
    hessian, weights = dampened(rows), weights.astype(np.float64)
    weights[(rows == 0).all(0)] = 0
    removed, inputs = weights == 0, len(weights)
    costs = np.array([np.linalg.inv(hessian[i:, i:])[0, 0] for i in range(inputs)])[:, None]
    kept, ahead = map(int, pattern.split(":")) if pattern else (0, block)
    for i in range(inputs):
        own = slice(i, i + ahead)
        if i % ahead == 0:
            saliency = np.where(removed[own], -1, weights[own] ** 2 / costs[own])
            if pattern:
                np.put_along_axis(removed[own], np.argsort(saliency, 0)[: ahead - kept], True, 0)
            else:
                order = np.argsort(saliency, axis=None)[: round(level * saliency.size)]
                np.put(chosen := np.zeros(saliency.shape, dtype=bool), order, True)
                removed[own] |= chosen
        inverse = np.linalg.inv(hessian[i:, i:])
        error = np.where(removed[i], weights[i], 0)
        weights[i:] -= np.outer(inverse[:, 0] / inverse[0, 0], error)
        weights[i, removed[i]] = 0
    return weights


@pytest.mark.parametrize("level", [0.25, 0.5, 0.75])
@pytest.mark.parametrize("inputs", [40, 128, 256])
def test_weights_are_those_of_the_update_solved_anew(inputs, level):
    rows = random_inputs(inputs, inputs)
    weights = np.random.default_rng(inputs).normal(size=(inputs, 8)).astype(np.float32)
    found = torch.from_numpy(weights.copy())
    prune_matrix(found, curvature(rows), round(level * weights.size))
    assert int((found == 0).sum()) == round(level * weights.size)
    compare(found.numpy(), one_by_one(weights, rows, level))


@pytest.mark.parametrize("pattern", ["2:4", "4:8"])
@pytest.mark.parametrize("inputs", [40, 200])
def test_patterns_are_those_of_the_update_solved_anew(inputs, pattern):
    rows = random_inputs(inputs, inputs, dead=2)
    weights = np.random.default_rng(inputs).normal(size=(inputs, 8)).astype(np.float32)
    found = torch.from_numpy(weights.copy())
    prune_matrix(found, curvature(rows), weights.size // 2, pattern)
    kept, of = map(int, pattern.split(":"))
    assert (np.count_nonzero(found.numpy().reshape(-1, of, 8), axis=1) == kept).all()
    compare(found.numpy(), one_by_one(weights, rows, 0.5, pattern))


def compare(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_array_equal(found == 0, expected == 0)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_outputs_err_less_than_with_the_mask_alone():
    rows = random_inputs(0, 96)
    weights = np.random.default_rng(0).normal(size=(96, 16)).astype(np.float32)
    found = torch.from_numpy(weights.copy())
    prune_matrix(found, curvature(rows), weights.size // 2)
    masked = weights * (found != 0).numpy()
    errors = [np.square(rows @ (own - weights)).sum() for own in (found.numpy(), masked)]
    assert errors[0] < errors[1]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=5), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_zeros_before_count_first_and_the_number_is_exact(shares, level, seed):
    generator = torch.Generator().manual_seed(seed)
    removed = torch.cat([torch.rand(128, 2, generator=generator) < share for share in shares])
    pruned = round(level * removed.numel())
    more = share_out(removed, pruned)
    assert int(removed.sum()) + sum(more) == max(pruned, int(removed.sum()))
    assert all(0 <= own <= int((~block).sum()) for own, block in zip(more, removed.split(128), strict=True))


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60), st.data())
def test_the_lowest_go_and_of_equal_ones_the_first(costs, data):
    count = data.draw(st.integers(0, len(costs)))
    chosen = lowest(torch.tensor(costs, dtype=torch.float32), count)
    assert sorted(np.argsort(costs, kind="stable")[:count]) == chosen.nonzero().flatten().tolist()


def asked_of(manifest: Manifest, folder: Path, level: float = 0.5, **settings) -> Asked:
    scope = {"roles": MATRIX_GROUPS["all"], "layers": "all", "criterion": "sparsegpt", "allocation": "matrix"}
    selection = Selection(**scope | settings)
    text = write_calibration(folder / "calibration.parquet", TOKENS)
    return Asked(manifest, selection.settings, level, "tested", inputs={"calibration": text})


@pytest.mark.parametrize("pattern", [None, "2:4"])
def test_layers_are_solved_from_what_the_pruned_layers_before_hand_on(family, pattern, tmp_path):
    """Inputs are transformers': those of a layer after pruned layers, the layer itself as it was."""
    manifest = manifest_of(tiny_model(family, "float32", tmp_path / "model"))
    change = tmp_path / "change.safetensors"
    sparsegpt.make(asked_of(manifest, tmp_path, pattern=pattern, layers=(1, 2)), change)
    dense, found = weights_after(manifest, []), weights_after(manifest, [change])
    model = reference_model(manifest.folder, None, "float32")
    parameters = dict(model.named_parameters())
    for layer in range(4):
        seen = inputs_of_maps(model, TOKENS)
        for matrix in (m for m in manifest.matrices if m.layer == layer):
            own, original = found[matrix.name], dense[matrix.name]
            if layer not in (1, 2):
                np.testing.assert_array_equal(own, original)
                continue
            expected = one_by_one(original.T, inputs_of_matrix(seen, matrix.name), 0.5, pattern).T
            assert np.isclose(own, expected, atol=1e-3).mean() > 0.98, matrix.name
            new = torch.from_numpy(own).float()
            parameter = next(p for name, p in parameters.items() if name.endswith(matrix.name))
            parameter.data.copy_(new.T if family == "gpt2" else new)
    texts = TOKENS[:2]
    ids = torch.from_numpy(texts)
    with torch.inference_mode():
        logits = model(ids).logits.log_softmax(-1)[:, :-1]
    scored = log_probabilities(load_variant(manifest, [change], torch.float32, torch.device("cpu")), texts)
    np.testing.assert_allclose(scored, logits.gather(-1, ids[:, 1:, None])[..., 0], atol=2e-4)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize(("pattern", "level"), [(None, 0.3), ("2:4", 0.5), ("4:8", 0.5)])
def test_zeros_are_counted_in_the_file(family, dtype, pattern, level, tmp_path):
    manifest = manifest_of(tiny_model(family, dtype, tmp_path / "model", layers=1))
    change = tmp_path / "change.safetensors"
    sparsegpt.make(asked_of(manifest, tmp_path, level, pattern=pattern), change)
    about = about_change(change)
    for name, weights in weights_after(manifest, [change]).items():
        zeros = round(level * weights.size)
        assert np.count_nonzero(weights) == weights.size - zeros == about.remaining[name]
        if pattern:
            kept, of = map(int, pattern.split(":"))
            assert (np.count_nonzero(weights.reshape(-1, of), axis=1) == kept).all()
    reached = achieved(manifest, [change])
    assert reached.sparsity == pytest.approx(level, abs=1e-3)
    assert reached.sparsity == reached.removed


def test_what_was_pruned_before_is_pruned_first(family, tmp_path):
    manifest = manifest_of(tiny_model(family, "float32", tmp_path / "model"))
    mask, change = tmp_path / "mask.safetensors", tmp_path / "change.safetensors"
    selection = Selection(roles=MATRIX_GROUPS["all"], layers="all", allocation="matrix")
    write_mask_of(manifest, selection, 0.3, mask)
    asked = asked_of(manifest, tmp_path, 0.6)
    sparsegpt.make(Asked(**{**vars(asked), "before": [mask]}), change)
    masked, found = weights_after(manifest, [mask]), weights_after(manifest, [mask, change])
    for name, weights in masked.items():
        assert (found[name][weights == 0] == 0).all()
        assert np.count_nonzero(found[name]) == weights.size - round(0.6 * weights.size)


@pytest.mark.parametrize("family", ["gpt_neox", "gpt2"])
def test_of_a_fused_matrix_the_other_outputs_stay(family, tmp_path):
    manifest = manifest_of(tiny_model(family, "float32", tmp_path / "model", layers=1))
    change = tmp_path / "change.safetensors"
    sparsegpt.make(asked_of(manifest, tmp_path, roles=("query", "value")), change)
    dense, found = weights_after(manifest, []), weights_after(manifest, [change])
    (name,) = about_change(change).shapes
    for role in ("query", "key", "value"):
        lines = list(own_lines(role, manifest.architecture, None))
        own = found[name][lines]
        if role == "key":
            np.testing.assert_array_equal(own, dense[name][lines])
        else:
            assert np.count_nonzero(own) == own.size // 2
    assert about_change(change).in_scope == {name: 2 * prod(dense[name].shape) // 3}


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        ({}, "allocation: found global with criterion sparsegpt; allowed: matrix, owl"),
        ({"allocation": "row"}, "allocation: found row with criterion sparsegpt; allowed: matrix, owl"),
        ({"pattern": "heads", "allocation": "layer"}, "pattern: found heads with criterion sparsegpt"),
        ({"allocation": "matrix", "heads": [[0, 1]]}, "heads: found with criterion sparsegpt; allowed:"),
    ],
)
def test_what_it_cannot_share_out_is_told_before_any_job(strategy, message):
    with pytest.raises(UserError, match=message):
        experiment({"criterion": "sparsegpt", "levels": [0.5]} | strategy)


def test_owl_gives_each_layer_its_level(tmp_path, monkeypatch):
    manifest = manifest_of(tiny_model("llama", "float32", tmp_path / "model", layers=2))
    change = tmp_path / "change.safetensors"
    monkeypatch.setattr("memprune.methods.owl.layer_levels", lambda asked: {0: 0.3, 1: 0.7})
    sparsegpt.make(asked_of(manifest, tmp_path, allocation="owl"), change)
    found = weights_after(manifest, [change])
    for matrix in manifest.matrices:
        zeros = round((0.3, 0.7)[matrix.layer] * matrix.weights)
        assert np.count_nonzero(found[matrix.name]) == matrix.weights - zeros
