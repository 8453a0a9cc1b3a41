"""GPTQ against the optimal update solved anew for each input, and against rounding to nearest on its text."""

from pathlib import Path

import numpy as np
import pytest
import torch
from calibration_text import write_calibration
from second_order import (
    curvature,
    dampened,
    inputs_of_maps,
    inputs_of_matrix,
    random_inputs,
    weights_after,
)
from tiny_models import manifest_of, reference_model, tiny_model, write_mask_of

from memprune.errors import UserError
from memprune.methods import quantize
from memprune.methods.asked import Asked
from memprune.methods.gptq import solve_matrix
from memprune.methods.hessians import BLOCK, blocks, curvature_of
from memprune.methods.rounding import Grid, Rounding, find_grid, from_codes, to_codes
from memprune.methods.selection import Selection
from memprune.models.manifest import Manifest
from memprune.models.roles import MATRIX_GROUPS

SCOPE = {"roles": MATRIX_GROUPS["all"], "layers": "all"}
TOKENS = np.random.default_rng(3).integers(0, 250, (24, 40))


def one_by_one(weights: np.ndarray, rows: np.ndarray, rounding: Rounding) -> np.ndarray:
    """Optimal Brain Quantization of inputs × outputs, in order: an input's error goes to those after it.

    The inverse is of the Hessian of the inputs that are left, solved anew for each; no blocks, no Cholesky.
    """
    hessian, weights = dampened(rows), weights.astype(np.float64)
    weights[(rows == 0).all(0)] = 0
    held, final = weights == 0, np.zeros_like(weights)
    for i in range(len(weights)):
        if i % rounding.group == 0:
            own = np.where(held, 0, weights)[i : i + rounding.group]
            grid = find_grid(torch.from_numpy(own).float(), rounding)
        codes = to_codes(torch.from_numpy(weights[i]).float(), grid, rounding)
        final[i] = np.where(held[i], 0, from_codes(codes, grid, rounding).double().numpy())
        inverse = np.linalg.inv(hessian[i:, i:])
        weights[i:] -= np.outer(inverse[:, 0] / inverse[0, 0], weights[i] - final[i])
    return final


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize(("inputs", "group"), [(40, 12), (150, 32), (150, 150), (300, 200), (300, 48)])
def test_codes_are_those_of_the_update_solved_anew(inputs, group, bits, symmetric):
    rows = random_inputs(bits, inputs, dead=3)
    weights = np.random.default_rng(bits).normal(size=(inputs, 6)).astype(np.float32)
    weights[np.random.default_rng(1).random(weights.shape) < 0.2] = 0
    rounding = Rounding(bits, group, symmetric, torch.float32)
    solved = torch.from_numpy(weights.copy())
    codes, grid = solve_matrix(solved, curvature(rows), rounding)
    expected = one_by_one(weights, rows, rounding)
    each = Grid(*(part.repeat_interleave(group, 0)[:inputs] for part in grid))
    torch.testing.assert_close(from_codes(codes.float(), each, rounding), solved, rtol=0, atol=0)
    assert (solved[torch.from_numpy(weights) == 0] == 0).all()
    assert (solved[:3] == 0).all()
    # A weight halfway between two codes may fall to either, and all inputs after it with it.
    same = np.isclose(solved.numpy(), expected, atol=1e-4).all(0)
    assert same.mean() >= 0.5, same


def test_errors_are_spread_as_without_blocks():
    for ahead in (4, 48, 100, 128, 129, 300, 1000):
        found = blocks(700, ahead)
        assert [i for start, end in found for i in range(start, end)] == list(range(700))
        assert all(end - start <= BLOCK for start, end in found)
        for start, end in found:  # what `final` looks at begins with a block, or is all within it
            firsts = [i for i in range(0, 700, ahead) if start <= i < end]
            assert all(i == start or min(i + ahead, 700) <= end for i in firsts)


def test_what_goes_into_a_map_is_not_finite():
    with pytest.raises(UserError, match="what goes into layer 3 has no inverse Hessian"):
        curvature_of(torch.full((4, 4), torch.inf), "layer 3")


def asked_of(manifest: Manifest, folder: Path, algorithm: str, tokens: np.ndarray, **settings) -> Asked:
    own = {"scope": SCOPE, "algorithm": algorithm, "group": 16, "symmetric": True} | settings
    text = write_calibration(folder / "calibration.parquet", tokens)
    return Asked(manifest, own, 3, "tested", inputs={"calibration": text})


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_layers_are_solved_from_what_the_quantized_layers_before_hand_on(family, dtype, tmp_path):
    """Inputs are transformers': those of a layer after quantized layers, the layer itself as it was."""
    manifest = manifest_of(tiny_model(family, dtype, tmp_path / "model"))
    change = tmp_path / "change.safetensors"
    asked = asked_of(manifest, tmp_path, "gptq", TOKENS, symmetric=False)
    quantize.make(asked, change)
    assert {path.name for path in tmp_path.iterdir()} == {"model", "calibration.parquet", change.name}
    dense, found = weights_after(manifest, []), weights_after(manifest, [change])
    model = reference_model(manifest.folder, None, "float32")
    parameters = dict(model.named_parameters())
    rounding = Rounding(3, 16, False, getattr(torch, dtype))
    for layer in range(4):
        seen = inputs_of_maps(model, TOKENS)
        for matrix in (m for m in manifest.matrices if m.layer == layer):
            expected = one_by_one(dense[matrix.name].T, inputs_of_matrix(seen, matrix.name), rounding).T
            same = np.isclose(found[matrix.name], expected, atol=1e-4).mean()
            assert same > 0.9, (matrix.name, same)
        for matrix in (m for m in manifest.matrices if m.layer == layer):
            own = torch.from_numpy(found[matrix.name]).float()
            own = own.T if family == "gpt2" else own
            next(p for name, p in parameters.items() if name.endswith(matrix.name)).data.copy_(own)


@pytest.mark.parametrize("symmetric", [True, False])
def test_outputs_err_less_than_with_the_nearest_codes(family, symmetric, tmp_path):
    manifest = manifest_of(tiny_model(family, "float16", tmp_path / "model"))
    changes = {name: tmp_path / f"{name}.safetensors" for name in ("nearest", "gptq")}
    for name, change in changes.items():
        quantize.make(asked_of(manifest, tmp_path, name, TOKENS, symmetric=symmetric), change)
    dense = weights_after(manifest, [])
    found = {name: weights_after(manifest, [change]) for name, change in changes.items()}
    seen = inputs_of_maps(reference_model(manifest.folder, None, "float32"), TOKENS)
    for matrix in (m for m in manifest.matrices if m.layer == 0):
        rows = inputs_of_matrix(seen, matrix.name)
        errors = {
            name: np.square(rows @ (after[matrix.name] - dense[matrix.name]).T).sum()
            for name, after in found.items()
        }
        assert errors["gptq"] < errors["nearest"], matrix.name


def test_what_was_pruned_stays_zero(family, tmp_path):
    manifest = manifest_of(tiny_model(family, "float32", tmp_path / "model"))
    mask, change = tmp_path / "mask.safetensors", tmp_path / "change.safetensors"
    write_mask_of(manifest, Selection(roles=MATRIX_GROUPS["all"], layers="all"), 0.5, mask)
    asked = asked_of(manifest, tmp_path, "gptq", TOKENS)
    quantize.make(Asked(**{**vars(asked), "before": [mask]}), change)
    masked, found = weights_after(manifest, [mask]), weights_after(manifest, [mask, change])
    assert all((found[name][weights == 0] == 0).all() for name, weights in masked.items())
