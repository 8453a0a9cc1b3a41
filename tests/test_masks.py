"""Masks against torch.nn.utils.prune and against a plain stable sort, on all families and dtypes."""

import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import FAMILIES
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from tiny_models import tiny_model, write_mask_of
from torch_masks import check_against_torch_prune, mask_of, weights_of

from memprune.config.strategies.prune_strategy import PruneStrategy
from memprune.errors import UserError
from memprune.methods.criteria import magnitude
from memprune.methods.prune import all_kept
from memprune.methods.selection import Selection
from memprune.methods.selection_engine import drop_lowest
from memprune.models import weights as weights_module
from memprune.models.manifest import Matrix
from memprune.models.resolve_model import resolve_model
from memprune.models.roles import MATRIX_GROUPS
from memprune.variants.changes import change_digest
from memprune.variants.masks import read_mask, unpack
from memprune.variants.regions import Region
from memprune.variants.scope import layers_in_scope, regions_in_scope
from memprune.variants.weights_of_variant import weights_of_variant
from memprune.variants.zeros_table import zeros_table

FILE = "model.safetensors"
DTYPES = ("float32", "float16", "bfloat16")
PAPER = {
    "layer-wise": PruneStrategy(allocation="matrix"),
    "by layer": PruneStrategy(allocation="layer"),
    "global": PruneStrategy(allocation="global"),
    "attention-only": PruneStrategy(matrices="attention"),
    "first-25": PruneStrategy(layers="first 25 %"),
    "last-25": PruneStrategy(layers="last 25 %"),
}


@pytest.fixture(scope="module", params=[(f, d) for f in FAMILIES for d in DTYPES], ids="-".join)
def manifest(request, tmp_path_factory):
    family, dtype = request.param
    return resolve_model("tiny", tiny_model(family, dtype, tmp_path_factory.mktemp(family)))


@pytest.mark.parametrize("name", PAPER)
def test_masks_equal_torch_prune(manifest, name, tmp_path):
    strategy, weights = PAPER[name].selection, weights_of(manifest)
    groups: dict[object, list[str]] = {}
    for m in (region.matrix for region in regions_in_scope(manifest, strategy, name)):
        key = {"matrix": m.name, "layer": m.layer, "global": 0}[strategy.allocation]
        groups.setdefault(key, []).append(m.name)
    for level in (0.1, 0.37, 0.9, 1.0):
        found = mask_of(manifest, strategy, level, tmp_path)
        check_against_torch_prune(found, weights, list(groups.values()), level)


def test_scope_is_what_the_strategy_says(manifest, tmp_path):
    for name, strategy in PAPER.items():
        scope = [region.matrix for region in regions_in_scope(manifest, strategy.selection, name)]
        assert {m.layer for m in scope} == set(layers_in_scope(strategy.selection, 4))
        assert {m.role for m in scope} <= set(strategy.selection.roles)
    attention = regions_in_scope(manifest, PAPER["attention-only"].selection, "attention-only")
    assert {region.matrix.role for region in attention}.isdisjoint(MATRIX_GROUPS["mlp"])


def test_statistics_are_recounted_and_cover_the_model(manifest, tmp_path):
    masks = mask_of(manifest, PAPER["first-25"].selection, 0.3, tmp_path)
    table = pd.DataFrame(zeros_table(manifest, [tmp_path / "mask.safetensors"])).set_index("matrix")
    assert list(table.index) == [m.name for m in manifest.matrices]
    for name in table.index:
        zeros = int((~masks[name]).sum()) if name in masks else 0
        assert table.zeros[name] == zeros
        assert table.sparsity[name] == zeros / table.weights[name]


def test_a_mask_is_the_same_every_time(tmp_path):
    manifest = resolve_model("tiny", tiny_model("gpt_neox", "float16", tmp_path / "model"))
    files = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        mask_of(manifest, PAPER["global"].selection, 0.3, folder)
        files.append((folder / "mask.safetensors").read_bytes())
    assert files[0] == files[1]


def masks_of_tensors(tensors: dict[str, torch.Tensor], pruned: int, threads: int) -> np.ndarray:
    """What the criterion keeps of flat tensors in a file, of which `pruned` weights go together."""
    (dtype,) = {str(tensor.dtype).removeprefix("torch.") for tensor in tensors.values()}
    matrices = [Matrix(name, FILE, 0, "up", (1, len(tensor))) for name, tensor in tensors.items()]
    packed = {matrix.name: all_kept(matrix.weights) for matrix in matrices}
    with TemporaryDirectory() as folder:
        save_file(tensors, Path(folder) / FILE)
        about = SimpleNamespace(folder=folder, files=[FILE], dtype=dtype, matrices=matrices)
        counted = magnitude.count(about, threads)
        keys = magnitude.magnitudes(about, weights_of_variant(about, []), counted)
        drop_lowest(packed, list(map(Region, matrices)), keys, pruned, threads)
    kept = [unpack(packed[name], slice(0, len(tensor))) for name, tensor in tensors.items()]
    return np.concatenate(kept)


@settings(deadline=None, max_examples=100)
@given(
    values=st.lists(
        st.sampled_from([0.0, -0.0, 0.5, -0.5, 1.0, 1.5, 2.0, -2.5, 1e-8]), min_size=3, max_size=90
    ),
    splits=st.tuples(st.integers(1, 89), st.integers(1, 89)),
    share=st.floats(0.001, 0.999),
    dtype=st.sampled_from(DTYPES),
    threads=st.sampled_from([1, 3]),
)
def test_selection_equals_a_stable_sort(values, splits, share, dtype, threads):
    """With ties everywhere, in slices of 16: the weights that go are the first of a stable sort."""
    weights = torch.tensor(values).to(getattr(torch, dtype))
    parts = [part for part in weights.tensor_split(sorted(splits)) if len(part)]
    pruned = round(share * len(values))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights_module, "SLICE", 16)
        kept = masks_of_tensors({str(i): part.clone() for i, part in enumerate(parts)}, pruned, threads)
    order = np.argsort(np.abs(weights.float().numpy()), kind="stable")
    assert set(np.flatnonzero(~kept)) == set(order[:pruned])


@pytest.mark.parametrize("dtype", DTYPES)
def test_slices_and_threads_do_not_matter(dtype, monkeypatch):
    torch.manual_seed(0)
    tensors = {name: torch.randn(1000).round(decimals=1).to(getattr(torch, dtype)) for name in "ab"}
    whole = masks_of_tensors(tensors, 333, threads=1)
    assert (~whole).sum() == 333
    monkeypatch.setattr(weights_module, "SLICE", 64)
    for threads in (1, 4):
        np.testing.assert_array_equal(masks_of_tensors(tensors, 333, threads), whole)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_non_finite_weights_are_named(dtype, value, tmp_path):
    folder = tiny_model("llama", dtype, tmp_path)
    weights = load_file(folder / "model.safetensors")
    weights["model.layers.1.mlp.up_proj.weight"][3, 4] = value
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(
        UserError, match=r"models.tiny: model.layers.1.mlp.up_proj.weight has weights that are"
    ):
        magnitude.count(resolve_model("tiny", folder), 1)


def test_a_strategy_without_matrices_says_what_it_looked_for(tmp_path):
    manifest = resolve_model("tiny", tiny_model("gpt_neox", "float16", tmp_path))
    with pytest.raises(
        UserError, match=r"strategies.gates: no matrix in model tiny; looked for gate"
    ) as caught:
        regions_in_scope(manifest, PruneStrategy(matrices=["gate"]).selection, "gates")
    assert "the model has query_key_value, query, key, value, output, up, down in 4 layers" in str(
        caught.value
    )
    with pytest.raises(UserError, match=r"in layers \[9\]"):
        regions_in_scope(manifest, PruneStrategy(layers=[9]).selection, "deep")


def test_a_mask_file_whose_bits_do_not_add_up_is_an_error(tmp_path):
    manifest = resolve_model("tiny", tiny_model("gpt2", "float16", tmp_path / "model"))
    mask_of(manifest, PAPER["global"].selection, 0.3, tmp_path)
    path = tmp_path / "mask.safetensors"
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    with pytest.raises(UserError, match=r"keeps \d+ weights, expected \d+"):
        read_mask(path)


def test_a_masks_digest_tells_its_bits_and_no_more(tmp_path):
    manifest = resolve_model("tiny", tiny_model("gpt_neox", "float16", tmp_path / "model"))
    first_layer = Selection(roles=("up",), layers=(0,))
    for name, selection, level in [
        ("a", first_layer, 0.3),
        ("same bits", replace(first_layer, layers="first 25 %"), 0.3),
        ("other bits", first_layer, 0.4),
        ("other matrix", replace(first_layer, roles=("down",)), 0.3),
    ]:
        write_mask_of(manifest, selection, level, tmp_path / name)
    digests = [change_digest(tmp_path / name) for name in ("a", "same bits", "other bits", "other matrix")]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_metadata_tells_selection_and_fingerprint(tmp_path):
    from safetensors import safe_open

    manifest = resolve_model("tiny", tiny_model("opt", "bfloat16", tmp_path / "model"))
    mask_of(manifest, PAPER["global"].selection, 0.3, tmp_path)
    with safe_open(tmp_path / "mask.safetensors", framework="numpy") as file:
        about = json.loads(file.metadata()["change"])
    assert about["kind"] == "mask"
    assert about["settings"]["allocation"] == "global"
    assert about["level"] == 0.3
    assert about["fingerprint"] == manifest.fingerprint
