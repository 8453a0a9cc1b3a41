"""Rounding to nearest by group, against its formula; quantized models against transformers."""

from itertools import product
from math import prod
from pathlib import Path
from shutil import copyfile

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file
from second_order import experiment, weights_after
from tiny_models import log_probabilities, manifest_of, reference_model, tiny_model, write_mask_of
from transformers import AutoModelForCausalLM

from memprune.errors import UserError
from memprune.exports.export_variant import export_variant
from memprune.methods import quantize
from memprune.methods.asked import Asked
from memprune.methods.nearest import quantize_matrix
from memprune.methods.rounding import Grid, Rounding, from_codes
from memprune.methods.selection import Selection
from memprune.models.manifest import Manifest
from memprune.models.roles import MATRIX_GROUPS
from memprune.models.weights import BYTES
from memprune.planning.inputs import check_scopes
from memprune.scoring.variant_model import load_variant
from memprune.variants.achieved import achieved
from memprune.variants.changes import About, about_change, write_change

CPU = torch.device("cpu")
SCOPE = {"roles": MATRIX_GROUPS["all"], "layers": "all"}
TEXTS = np.random.default_rng(2).integers(0, 250, (4, 40))
DTYPES = ("float32", "float16", "bfloat16")


def asked_of(manifest: Manifest, bits: int, **settings) -> Asked:
    own = {"scope": SCOPE, "algorithm": "nearest", "group": 12, "symmetric": True} | settings
    return Asked(manifest, own, bits, "tested")


def nearest(weights: np.ndarray, bits: int, symmetric: bool, dtype: str) -> np.ndarray:
    """A group of weights, float32, on the nearest of its grid, as the formulas say."""
    low, high = min(np.float32(0), weights.min()), max(np.float32(0), weights.max())
    steps = 2 ** (bits - 1) - 1 if symmetric else 2**bits - 1
    reach = max(-low, high) if symmetric else high - low
    scale = next_above(reach / np.float32(steps), dtype) if reach else np.float32(1)
    zero = 0 if symmetric else np.round(-low / scale)
    lowest, highest = (-steps, steps) if symmetric else (-zero, steps - zero)
    return (np.clip(np.round(weights / scale), lowest, highest) * scale).astype(np.float32)


def next_above(value: float, dtype: str) -> np.float32:
    """The smallest number of a dtype that is no smaller than a positive one: all weights are in reach."""
    info = torch.finfo(getattr(torch, dtype))
    exponent = max(np.floor(np.log2(float(value))), np.log2(info.smallest_normal))
    spacing = 2.0**exponent * info.eps
    return np.float32(np.ceil(value / spacing) * spacing)


def rounded(numbers: np.ndarray, dtype: str) -> np.ndarray:
    return torch.from_numpy(numbers).to(getattr(torch, dtype)).float().numpy()


@pytest.mark.parametrize("dtype", DTYPES)
def test_weights_are_the_nearest_of_their_group(dtype, family, tmp_path):
    """Rows of 32 and 64 (48 in Llama) inputs in groups of 12, of which the last ones end early."""
    manifest = manifest_of(tiny_model(family, dtype, tmp_path / "model", layers=1))
    change, dense = tmp_path / "change.safetensors", weights_after(manifest, [])
    for bits, symmetric in product(range(2, 9), (True, False)):
        quantize.make(asked_of(manifest, bits, symmetric=symmetric), change)
        found = weights_after(manifest, [change])
        assert set(about_change(change).shapes) == set(dense)
        for name, weights in dense.items():
            for start in range(0, weights.shape[1], 12):
                group = slice(start, start + 12)
                expected = np.stack([nearest(row, bits, symmetric, dtype) for row in weights[:, group]])
                np.testing.assert_array_equal(found[name][:, group], rounded(expected, dtype))


@settings(deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 40),
    st.integers(1, 50),
    st.integers(2, 8),
    st.booleans(),
    st.sampled_from(DTYPES),
    st.sampled_from([1e-7, 1e-3, 1.0, 100.0]),
)
def test_no_weight_is_further_than_half_a_step(seed, inputs, group, bits, symmetric, dtype, size):
    generator = torch.Generator().manual_seed(seed)
    weights = (torch.randn(inputs, 5, generator=generator) * size).to(getattr(torch, dtype)).float()
    weights[torch.rand(inputs, 5, generator=generator) < 0.3] = 0
    weights[:, 0] = 0  # whole groups of zeros
    rounding = Rounding(bits, group, symmetric, getattr(torch, dtype))
    codes, grid = quantize_matrix(weights, rounding)
    each = Grid(*(part.repeat_interleave(min(group, inputs), 0)[:inputs] for part in grid))
    found = from_codes(codes.float(), each, rounding)
    assert grid.scale.shape == (-(-inputs // min(group, inputs)), 5)
    assert (found[weights == 0] == 0).all()
    exact = (codes.double() - each.zero) * each.scale.double()
    assert ((exact - weights).abs() <= each.scale.double() * (0.5 + 1e-5)).all()
    np.testing.assert_array_equal(found.numpy(), exact.float().to(rounding.dtype).float().numpy())


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_quantized_model_scores_as_the_same_weights_in_transformers(family, dtype, tmp_path):
    manifest = manifest_of(tiny_model(family, dtype, tmp_path / "model"))
    change, folder = tmp_path / "change.safetensors", tmp_path / "exported"
    quantize.make(asked_of(manifest, 3, symmetric=False), change)
    folder.mkdir()
    export_variant(manifest, [change], folder)
    copyfile(Path(manifest.folder) / "config.json", folder / "config.json")
    reference = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    found, original = weights_after(manifest, [change]), reference_model(manifest.folder, None, "float32")
    exported = dict(reference.named_parameters()), dict(original.named_parameters())
    for name, weights in found.items():
        own, before = (
            next(part.detach().numpy() for key, part in parts.items() if key.endswith(name))
            for parts in exported
        )
        np.testing.assert_array_equal(own.T if family == "gpt2" else own, weights)
        assert not np.array_equal(own, before)
    ids = torch.from_numpy(TEXTS)
    with torch.inference_mode():
        expected = reference.eval()(ids).logits.log_softmax(-1)[:, :-1].gather(-1, ids[:, 1:, None])[..., 0]
    model = load_variant(manifest, [change], torch.float32, CPU)
    np.testing.assert_allclose(log_probabilities(model, TEXTS), expected.numpy(), atol=2e-4)


def test_what_was_pruned_stays_zero_and_the_bytes_are_counted(family, tmp_path):
    manifest = manifest_of(tiny_model(family, "float16", tmp_path / "model"))
    mask, change = tmp_path / "mask.safetensors", tmp_path / "change.safetensors"
    selection = Selection(roles=MATRIX_GROUPS["all"], layers=(0, 1))
    write_mask_of(manifest, selection, 0.5, mask)
    asked = asked_of(manifest, 4, symmetric=False, scope=SCOPE | {"layers": [1, 2]})
    quantize.make(Asked(**{**vars(asked), "before": [mask]}), change)
    masked, found = weights_after(manifest, [mask]), weights_after(manifest, [mask, change])
    about = about_change(change)
    for matrix in manifest.matrices:
        if matrix.layer not in (1, 2):
            np.testing.assert_array_equal(found[matrix.name], masked[matrix.name])
            continue
        assert (found[matrix.name][masked[matrix.name] == 0] == 0).all()
        assert about.remaining[matrix.name] == np.count_nonzero(masked[matrix.name])
        outputs, inputs = masked[matrix.name].shape
        assert tuple(about.storage[matrix.name]) == (4, outputs * -(-inputs // 12) * 3)
    size = sum(m.weights for m in manifest.matrices if m.layer in (1, 2))
    pruned = achieved(manifest, [mask])
    both = achieved(manifest, [mask, change])
    assert (both.sparsity, both.removed) == (pruned.sparsity, pruned.removed)
    alone = achieved(manifest, [quantized_alone(asked, tmp_path / "alone.safetensors")])
    beside = sum(beside for _, beside in about.storage.values())
    assert alone.variant_bytes == manifest.tensor_bytes - size * BYTES["float16"] + size // 2 + beside
    assert alone.removed == 0


def quantized_alone(asked: Asked, path: Path) -> Path:
    quantize.make(asked, path)
    return path


def test_a_factored_matrix_has_a_code_for_each_weight_of_the_product(tmp_path):
    manifest = manifest_of(tiny_model("opt", "float32", tmp_path / "model"))
    matrix = manifest.matrices[0]
    about = About("factors", {}, 0.9, "", {matrix.name: matrix.shape}, {matrix.name: sum(matrix.shape)})
    sides = {"left": np.ones((matrix.shape[0], 1)), "right": np.ones((1, matrix.shape[1]))}
    factors, change = tmp_path / "factors.safetensors", tmp_path / "change.safetensors"
    tensors = ((f"{matrix.name}.{side}", own.astype("f4").view("u4")) for side, own in sides.items())
    write_change(about, tensors, factors)
    asked = asked_of(manifest, 8)
    quantize.make(Asked(**{**vars(asked), "before": [factors]}), change)
    assert about_change(change).remaining[matrix.name] == prod(matrix.shape)


def test_weights_that_are_not_finite_are_refused(tmp_path):
    folder = tiny_model("gpt_neox", "float32", tmp_path / "model", layers=1)
    tensors = load_file(folder / "model.safetensors")
    name = "gpt_neox.layers.0.attention.dense.weight"
    tensors[name][0, 0] = np.inf
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=rf"models.tiny: {name} has weights that are infinite"):
        quantize.make(asked_of(manifest_of(folder), 4), tmp_path / "change.safetensors")


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        ({"levels": [4, 9]}, "strategies.s.levels.1: found 9; input should be 2, 3, 4, 5, 6, 7 or 8"),
        ({"levels": [1]}, "strategies.s.levels.0: found 1; input should be 2, 3, 4, 5, 6, 7 or 8"),
        ({"levels": [4], "group": 0}, "strategies.s.group: found 0; input should be greater than or equal"),
        ({"levels": [4], "algorithm": "gptq"}, "strategies.s: found no calibration, which its method needs"),
        (
            {"levels": [4], "matrices": ["query"]},
            "strategies.s.matrices: found query, which model tiny-pythia-0.6m stores within query_key_value",
        ),
    ],
)
def test_what_no_model_can_be_quantized_to_is_told_before_any_job(strategy, message):
    with pytest.raises(UserError, match=message):
        check_scopes(experiment({"method": "quantize"} | strategy))
