"""Low rank against the decomposition of numpy, the weighted optimum in closed form, and transformers."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import FAMILIES
from experiments import local_experiment
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file
from safetensors.torch import load_file as load_torch
from safetensors.torch import save_file as save_torch
from tiny_models import log_probabilities, reference_model, tiny_model, write_mask_of

from memprune.config.strategies.low_rank_strategy import LowRankStrategy
from memprune.config.strategies.prune_strategy import PruneStrategy
from memprune.errors import UserError
from memprune.exports.export_variant import export_variant
from memprune.methods import low_rank
from memprune.methods.asked import Asked
from memprune.methods.low_rank import factored
from memprune.methods.ranks import rank_at
from memprune.models.families import FAMILIES as LAYOUTS
from memprune.models.manifest import Manifest
from memprune.models.resolve_model import resolve_model
from memprune.planning.preflight import check_experiment
from memprune.scoring.variant_model import load_variant
from memprune.variants.achieved import achieved
from memprune.variants.changes import change_digest
from memprune.variants.floats import to_float32
from memprune.variants.weights_of_variant import weights_of_variant

ROUNDING = {"float32": 1e-5, "float16": 1e-3, "bfloat16": 1e-2}  # of the factors and their product


@pytest.fixture(scope="module", params=[(f, d) for f in FAMILIES for d in ROUNDING], ids="-".join)
def manifest(request, tmp_path_factory) -> Manifest:
    family, dtype = request.param
    return resolve_model("tiny", tiny_model(family, dtype, tmp_path_factory.mktemp(family), layers=2))


def made(manifest: Manifest, level: float, folder: Path, before=(), sums=None, **asked) -> Path:
    """The change of a strategy of low rank, as the workflow makes it; `sums` are the activations'."""
    weighting = "activations" if sums else "none"
    strategy = LowRankStrategy(method="low-rank", weighting=weighting, **asked)
    inputs = {"activations": folder / "activations.safetensors"} if sums else {}
    if sums:
        save_file(sums, inputs["activations"])
    path = folder / "change.safetensors"
    low_rank.make(Asked(manifest, strategy.settings, level, "low", before, inputs), path)
    return path


def matrix_of(manifest: Manifest, name: str, changes=()) -> np.ndarray:
    """A matrix after some changes, outputs × inputs in float64."""
    bits = weights_of_variant(manifest, changes).bits(name)
    stored = to_float32(bits, manifest.dtype).astype(np.float64)
    return stored.T if LAYOUTS[manifest.architecture.family].input_first else stored


def sums_of(manifest: Manifest, seed: int = 0) -> dict[str, np.ndarray]:
    """Sums of squares of each matrix' inputs, very unequal, of which two are 0."""
    generator, sums = np.random.default_rng(seed), {}
    for matrix in manifest.matrices:
        inputs = matrix_of(manifest, matrix.name).shape[1]
        sums[matrix.name] = (generator.lognormal(sigma=2, size=inputs) ** 2).astype(np.float32)
        sums[matrix.name][[1, 5]] = 0
    return sums


def truncated(matrix: np.ndarray, rank: int) -> tuple[np.ndarray, float]:
    """The best matrix of a rank by numpy, and the root of the sum of the squares of what it lacks."""
    u, s, v = np.linalg.svd(matrix, full_matrices=False)
    return (u[:, :rank] * s[:rank]) @ v[:rank], np.sqrt((s[rank:] ** 2).sum())


def test_errors_are_the_tails_of_the_singular_values(manifest, tmp_path):
    change = made(manifest, 0.4, tmp_path)
    for matrix in manifest.matrices:
        dense, found = (matrix_of(manifest, matrix.name, own) for own in ((), [change]))
        expected, tail = truncated(dense, int(0.6 * matrix.weights / sum(matrix.shape)))
        bound = ROUNDING[manifest.dtype] * np.linalg.norm(dense)
        np.testing.assert_allclose(np.linalg.norm(found - dense), tail, atol=bound)
        assert np.linalg.norm(found - expected) < bound
        assert tail > 10 * ROUNDING["float16"] * np.linalg.norm(dense)  # it removes something


def test_weighted_products_are_the_closed_form_where_inputs_are_seen(manifest, tmp_path):
    sums = sums_of(manifest)
    change = made(manifest, 0.4, tmp_path, sums=sums)
    for matrix in manifest.matrices:
        dense, found = (matrix_of(manifest, matrix.name, own) for own in ((), [change]))
        scales = np.sqrt(sums[matrix.name].astype(np.float64))
        rank = int(0.6 * matrix.weights / sum(matrix.shape))
        expected, tail = truncated(dense * scales, rank)
        bound = ROUNDING[manifest.dtype] * np.linalg.norm(dense * scales)
        np.testing.assert_allclose(np.linalg.norm((found - dense) * scales), tail, atol=bound)
        assert np.linalg.norm(found * scales - expected) < 3 * bound
        plain, _ = truncated(dense, rank)
        assert tail < 0.9 * np.linalg.norm((plain - dense) * scales)
        assert np.isfinite(found).all()


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 12), st.integers(2, 12), st.integers(0, 2**32 - 1))
def test_no_other_product_of_the_rank_has_less_weighted_error(outputs, inputs, seed):
    generator = np.random.default_rng(seed)
    matrix, scales = generator.normal(size=(outputs, inputs)), generator.lognormal(sigma=2, size=inputs)
    scales[0] = 0
    rank = generator.integers(1, min(outputs, inputs) + 1)
    asked = torch.tensor(matrix, dtype=torch.float32), torch.tensor(scales, dtype=torch.float32)
    left, right = (factor.double().numpy() for factor in factored(asked[0], int(rank), asked[1]))
    assert left.shape == (outputs, rank)
    assert right.shape == (rank, inputs)

    def error(one: np.ndarray, two: np.ndarray) -> float:
        return np.linalg.norm((one @ two - matrix) * scales)

    found = error(left, right)
    for size in (1e-3, 1e-1, 1):
        moved = (own + size * generator.normal(size=own.shape) for own in (left, right))
        assert found <= error(*moved) + 1e-5 * np.linalg.norm(matrix * scales)


@given(
    st.tuples(st.integers(1, 5000), st.integers(1, 5000)),
    st.integers(1, 999).map(lambda part: part / 1000),
)
def test_the_rank_is_the_largest_that_removes_the_share(shape, level):
    m, n = shape
    left = (1 - Fraction(round(1000 * level), 1000)) * m * n
    if left < m + n:
        with pytest.raises(UserError, match=rf"strategies.low.levels: found {level}, which leaves a matrix"):
            rank_at(level, shape, "low")
    else:
        rank = rank_at(level, shape, "low")
        assert rank * (m + n) <= left < (rank + 1) * (m + n)


def test_what_is_achieved_is_recounted_from_the_files_tensors(manifest, tmp_path):
    change = made(manifest, 0.4, tmp_path, matrices="mlp")
    numbers, itemsize = 0, {"float32": 4}.get(manifest.dtype, 2)
    for name, factor in load_torch(change).items():
        assert factor.element_size() == itemsize, name
        numbers += factor.numel()
    scope = sum(m.weights for m in manifest.matrices if m.role in ("up", "gate", "down"))
    found = achieved(manifest, [change])
    assert found.sparsity == pytest.approx((scope - numbers) / scope)
    assert 0.4 <= found.sparsity < 0.5
    assert found.removed == pytest.approx((scope - numbers) / sum(m.weights for m in manifest.matrices))
    assert found.variant_bytes == manifest.tensor_bytes - (scope - numbers) * itemsize


def test_transformers_computes_the_same_with_the_products_written_out(manifest, tmp_path):
    change = made(manifest, 0.3, tmp_path, sums=sums_of(manifest))
    (tmp_path / "export").mkdir()
    export_variant(manifest, [change], tmp_path / "export")
    texts = np.random.default_rng(0).integers(0, 256, (2, 20))
    found, dense = (
        log_probabilities(load_variant(manifest, own, torch.float32, torch.device("cpu")), texts)
        for own in ([change], [])
    )
    with torch.inference_mode():
        logits = reference_model(tmp_path / "export", None, "float32")(torch.from_numpy(texts)[:, :-1]).logits
    expected = logits.log_softmax(-1).gather(2, torch.from_numpy(texts)[:, 1:, None])[..., 0]
    np.testing.assert_allclose(found, expected.numpy(), atol=2e-5)
    assert np.abs(found - dense).max() > 0.01


def test_after_a_mask_it_is_of_the_weights_that_the_mask_left(tmp_path):
    manifest = resolve_model("tiny", tiny_model("gpt2", "float16", tmp_path / "model", layers=2))
    mask = tmp_path / "mask.safetensors"
    write_mask_of(manifest, PruneStrategy(allocation="matrix").selection, 0.5, mask)
    (tmp_path / "pruned").mkdir()
    export_variant(manifest, [mask], tmp_path / "pruned")
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    after = made(manifest, 0.5, tmp_path / "one", before=[mask])
    of_pruned = made(resolve_model("tiny", tmp_path / "pruned"), 0.5, tmp_path / "other")
    assert change_digest(after) == change_digest(of_pruned)
    assert achieved(manifest, [mask, after]) == achieved(manifest, [after])


def test_factors_of_the_largest_weights_fit_float16(tmp_path):
    folder = tiny_model("opt", "float16", tmp_path, layers=2)
    weights = load_torch(folder / "model.safetensors")
    [name] = [name for name in weights if name.endswith("layers.1.fc1.weight")]
    weights[name] = torch.full_like(weights[name], 6e4)
    weights[name][::2] = 1e-7
    save_torch(weights, folder / "model.safetensors", {"format": "pt"})
    manifest = resolve_model("tiny", folder)
    found = matrix_of(manifest, name, [made(manifest, 0.9, tmp_path, matrices=["up"])])
    np.testing.assert_allclose(found, weights[name].numpy().astype(np.float64), rtol=2e-3, atol=1)


@pytest.mark.parametrize(
    ("strategy", "line"),
    [
        (
            {"matrices": ["output", "query"], "levels": [0.5]},
            "strategies.low.matrices: found query, which model tiny stores within query_key_value; allowed: "
            "query_key_value, output, up, down",
        ),
        (
            {"levels": [0.5, 0.95]},
            "strategies.low.levels: found 0.95, which leaves a matrix of 32 × 32 no rank; allowed: at most "
            "0.9375",
        ),
    ],
)
def test_what_cannot_be_is_told_before_any_job(strategy, line, tmp_path):
    folder = tiny_model("gpt_neox", "float32", tmp_path, layers=2)
    asked = {"low": {"method": "low-rank", **strategy}}
    with pytest.raises(UserError) as caught:
        check_experiment(local_experiment(folder, strategies=asked), "my.yaml")
    assert str(caught.value) == f"my.yaml: {line}"
    manifest = resolve_model("tiny", folder)
    with pytest.raises(UserError) as caught:
        made(manifest, strategy["levels"][-1], tmp_path, **{**strategy, "levels": None})
    assert str(caught.value) == line
