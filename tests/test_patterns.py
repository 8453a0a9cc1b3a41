"""Whole heads, neurons and layers: against means taken by hand from transformers' layout of the weights."""

from types import SimpleNamespace

import numpy as np
import pytest
from calibrated import Calibrated, calibrate
from conftest import FAMILIES
from pydantic import TypeAdapter, ValidationError
from tiny_models import tiny_model

from memprune.config.strategies.prune_strategy import PruneStrategy
from memprune.config.strategy import Strategy
from memprune.errors import UserError
from memprune.methods.groups import check_groups
from memprune.models.resolve_model import resolve_model

STRATEGY = TypeAdapter(Strategy)
# Of each head its outputs in a matrix of queries, keys and values: heads × outputs.
FUSED = {
    "gpt_neox": np.arange(96).reshape(4, 24),
    "gpt2": np.hstack([part.reshape(4, 8) for part in np.arange(96).reshape(3, 32)]),
    "falcon": np.arange(64).reshape(2, 32),  # two heads, and the key and value that they share
}
SEPARATE = {
    "opt": {"q_proj": 8, "k_proj": 8, "v_proj": 8},
    "llama": {"q_proj": 16, "k_proj": 8, "v_proj": 8},  # two heads share a key and a value
}
OUTPUT = ("attention.dense", "attn.c_proj", "o_proj", "out_proj")
OUT_OF = ("dense_h_to_4h", "c_fc", "gate_proj", "up_proj", "fc1")
INTO = ("dense_4h_to_h", "mlp.c_proj", "down_proj", "fc2")


@pytest.fixture(scope="module", params=(*FAMILIES, "falcon"))
def model(request, tmp_path_factory) -> Calibrated:
    folder = tmp_path_factory.mktemp(request.param)
    return calibrate(resolve_model("tiny", tiny_model(request.param, "float16", folder / "m")), folder / "o")


def heads_of(name: str, values: np.ndarray, family: str) -> np.ndarray | None:
    """A matrix' values by head (or heads that share): heads × values; None for a matrix of the MLP."""
    heads = 2 if family in ("llama", "falcon") else 4
    if name.endswith(tuple(f"{part}.weight" for part in OUTPUT)):
        return values.T.reshape(heads, -1)
    if family in FUSED and len(values) == FUSED[family].size:
        return values[FUSED[family]].reshape(heads, -1)
    for part, lines in SEPARATE.get(family, {}).items():
        if part in name:
            return values.reshape(-1, lines * 32)
    return None


def neurons_of(name: str, values: np.ndarray, family: str) -> np.ndarray | None:
    """A matrix' values by neuron: neurons × values; None for a matrix of the attention."""
    if name.endswith(tuple(f"{part}.weight" for part in OUT_OF)):
        return values
    return values.T if name.endswith(tuple(f"{part}.weight" for part in INTO)) else None


def layer_of(name: str, values: np.ndarray, family: str) -> np.ndarray:
    """All of a matrix' values as one structure."""
    return values.reshape(1, -1)


CUT = {"heads": heads_of, "neurons": neurons_of, "layers": layer_of}


def by_structure(model: Calibrated, pattern: str, of: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Values of all matrices, output × input, by layer: structures × all their values."""
    layers: list[list[np.ndarray]] = [[] for _ in range(4)]
    for matrix in model.manifest.matrices:
        if matrix.name in of:
            own = CUT[pattern](matrix.name, of[matrix.name], model.manifest.architecture.family)
            if own is not None:
                layers[matrix.layer].append(own)
    return [np.hstack(own) for own in layers]


@pytest.mark.parametrize("level", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("criterion", ["magnitude", "wanda"])
@pytest.mark.parametrize(
    ("pattern", "allocation"),
    [(p, a) for p in ("heads", "neurons") for a in ("layer", "global")] + [("layers", "global")],
)
def test_the_lowest_means_go(model, pattern, allocation, criterion, level):
    kept = model.kept(level, criterion=criterion, pattern=pattern, allocation=allocation)
    if model.manifest.architecture.family == "gpt2":
        kept = {name: mask.T for name, mask in kept.items()}
    ranked = model.weights() if criterion == "magnitude" else model.scores()
    means = [own.mean(axis=1) for own in by_structure(model, pattern, ranked)]
    masks = by_structure(model, pattern, kept)
    assert sum(mask.size for mask in masks) == sum(mask.size for mask in kept.values())
    assert all((mask.all(axis=1) | ~mask.any(axis=1)).all() for mask in masks)  # whole, or not at all
    goes = [~mask[:, 0] for mask in masks]
    if allocation == "global":
        means, goes = [np.concatenate(means)], [np.concatenate(goes)]
    for own, going in zip(means, goes, strict=True):
        assert np.flatnonzero(going).tolist() == sorted(np.argsort(own)[: round(level * len(own))])


def test_random_structures_go_whole(model):
    kept = model.kept(0.5, criterion="random", seed=3, pattern="heads")
    assert sum((~mask).sum() for mask in kept.values()) == sum(mask.size for mask in kept.values()) / 2


def test_named_heads_go_with_all_that_share_their_key(tmp_path):
    manifest = resolve_model("tiny", tiny_model("llama", "float32", tmp_path / "model"))
    model = calibrate(manifest, tmp_path / "own")
    kept = model.kept(1.0, pattern="heads", heads=[[0, 0], [0, 1], [1, 1], [3, 2], [3, 3]])
    for name, mask in kept.items():
        layer, lines = int(name.split(".")[2]), 16 if "q_proj" in name or "o_proj" in name else 8
        gone = {0: range(lines), 1: (), 3: range(lines, 2 * lines)}[layer]
        mask = mask.T if "o_proj" in name else mask
        assert np.flatnonzero(~mask.all(axis=1)).tolist() == list(gone)
    with pytest.raises(UserError, match=r"heads: found no head .* name all 2 that share them"):
        model.kept(0.5, pattern="heads", heads=[[1, 1]])


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"pattern": "heads", "matrices": "mlp"}, "found up, gate, down with pattern heads; allowed: atten"),
        ({"pattern": "heads", "matrices": ["query", "up"]}, "matrices: found up with pattern heads"),
        ({"pattern": "neurons", "matrices": "attention"}, "with pattern neurons; allowed: mlp"),
        ({"pattern": "neurons", "heads": [[0, 0]]}, "heads: found with pattern neurons; allowed with heads"),
        ({"pattern": "layers", "allocation": "layer"}, "found layer with pattern layers; allowed: global"),
        ({"pattern": "heads", "allocation": "row"}, "found row with pattern heads; allowed: layer, global"),
        ({"pattern": "heads", "criterion": "sparsegpt"}, "found heads with criterion sparsegpt"),
        ({"pattern": "2:4", "allocation": "row"}, "allocation: found with pattern 2:4"),
        ({"pattern": "2:4", "levels": [0.4]}, "allowed: [0.5]"),
        ({"pattern": "1:4"}, "pattern"),
    ],
    ids=str,
)
def test_what_does_not_fit_a_pattern_is_refused(settings, line):
    with pytest.raises(ValidationError) as refused:
        STRATEGY.validate_python({"levels": [0.5], **settings})
    assert line in str(refused.value)


@pytest.mark.parametrize(
    ("pattern", "scope", "line"),
    [
        ("2:4", {}, None),
        ("4:8", {}, "found 4:8, but down of model m has 44 inputs in scope, which is no multiple of 8"),
        ("4:8", {"matrices": "attention"}, None),
        ("4:8", {"matrices": ["output"], "heads": [[0, 1]]}, "but output of model m has 20 inputs in scope"),
    ],
    ids=str,
)
def test_rows_that_are_no_whole_number_of_groups_are_refused(pattern, scope, line):
    a = SimpleNamespace(
        family="llama", layers=1, heads=2, key_heads=2, head_size=20, hidden=40, intermediate=44
    )
    selection = PruneStrategy(pattern=pattern, levels=[0.5], **scope).selection
    if line is None:
        check_groups(selection, a, "m", "s")
        return
    with pytest.raises(UserError) as refused:
        check_groups(selection, a, "m", "s")
    assert str(refused.value).startswith("strategies.s.pattern: ")
    assert line in str(refused.value)
