"""Activations against what forward hooks see in transformers' models; chains; and what is refused."""

import numpy as np
import pytest
from calibrated import TOKENS, calibrate
from conftest import FAMILIES
from safetensors.torch import load_file, save_file
from tiny_models import tiny_model, write_mask_of

from memprune.config.strategies.prune_strategy import PruneStrategy
from memprune.errors import UserError
from memprune.methods import layerwise
from memprune.methods.activations import count_tokens, read_activations
from memprune.models.resolve_model import resolve_model

DTYPES = ("float32", "float16", "bfloat16")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("family", FAMILIES)
def test_sums_are_what_transformers_layers_see(family, dtype, tmp_path):
    manifest = resolve_model("tiny", tiny_model(family, dtype, tmp_path / "model"))
    dense = calibrate(manifest, tmp_path / "dense")
    write_mask_of(manifest, PruneStrategy().selection, 0.5, tmp_path / "mask")
    for own in (dense, calibrate(manifest, tmp_path / "pruned", tmp_path / "mask")):
        found, expected = read_activations(own.activations), own.squares()
        assert found.keys() == {matrix.name for matrix in manifest.matrices}
        assert count_tokens(own.activations) == TOKENS.size
        for name, sums in found.items():
            assert sums.dtype == np.float32
            np.testing.assert_allclose(sums, expected[name], rtol=1e-4, atol=1e-6)
    # A chain reads weights that are changed: past the first layer's own inputs, sums differ.
    after, before = (read_activations(own.activations) for own in (own, dense))
    last = manifest.matrices[-1].name
    assert not np.allclose(after[last], before[last], rtol=1e-2)


def test_sums_do_not_depend_on_how_texts_are_cut(monkeypatch, tmp_path):
    manifest = resolve_model("tiny", tiny_model("llama", "float32", tmp_path / "model"))
    whole = read_activations(calibrate(manifest, tmp_path / "whole").activations)
    monkeypatch.setattr(layerwise, "BATCH_TOKENS", TOKENS.shape[1])
    one_by_one = read_activations(calibrate(manifest, tmp_path / "one by one").activations)
    for name, sums in whole.items():
        np.testing.assert_allclose(one_by_one[name], sums, rtol=1e-5)


def test_inputs_that_are_no_numbers_are_named(tmp_path):
    folder = tiny_model("llama", "float32", tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    weights["model.layers.1.mlp.up_proj.weight"][3, 4] = float("nan")
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(
        UserError,
        match=r"models.tiny, variant dense: found inputs of model.layers.1.mlp.down_proj.weight that",
    ):
        calibrate(resolve_model("tiny", folder), tmp_path / "text")
