"""Wanda against its paper's equation, in plain NumPy on what transformers' layers see; rows and groups."""

import numpy as np
import pytest
from calibrated import Calibrated, calibrate, check_lowest_go
from conftest import FAMILIES
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tiny_models import tiny_model, write_mask_of

from memprune.config.strategies.prune_strategy import PruneStrategy
from memprune.methods import by_output
from memprune.methods.rows import all_but_lowest
from memprune.models import weights as weights_module
from memprune.models.resolve_model import resolve_model

DTYPES = ("float32", "float16", "bfloat16")


@pytest.fixture(scope="module", params=[(f, d) for f in FAMILIES for d in DTYPES], ids="-".join)
def model(request, tmp_path_factory) -> Calibrated:
    folder = tmp_path_factory.mktemp("-".join(request.param))
    return calibrate(resolve_model("tiny", tiny_model(*request.param, folder / "model")), folder / "own")


@pytest.fixture(scope="module")
def scores(model) -> dict[str, np.ndarray]:
    return model.scores()


def outputs_first(mask: np.ndarray, model: Calibrated) -> np.ndarray:
    """A mask as stored as output × input."""
    return mask.T if model.manifest.architecture.family == "gpt2" else mask


@pytest.mark.parametrize("level", [0.01, 0.37, 0.5, 1.0])
def test_of_each_row_the_lowest_scores_go(model, scores, level):
    for name, kept in model.kept(level, criterion="wanda", allocation="row").items():
        goes = ~outputs_first(kept, model)
        check_lowest_go(goes, scores[name], round(level * goes.shape[1]))


@pytest.mark.parametrize("allocation", ["matrix", "global"])
def test_scores_rank_matrices_and_models(model, scores, allocation):
    kept = model.kept(0.3, criterion="wanda", allocation=allocation)
    goes = {name: ~outputs_first(mask, model) for name, mask in kept.items()}
    groups = [[name] for name in goes] if allocation == "matrix" else [list(goes)]
    for group in groups:
        own, ranked = (np.concatenate([of[name].ravel() for name in group])[None] for of in (goes, scores))
        check_lowest_go(own, ranked, round(0.3 * own.size))


def test_magnitudes_by_row(model):
    weights = model.weights()
    for name, kept in model.kept(0.6, allocation="row", matrices="mlp").items():
        goes = ~outputs_first(kept, model)
        check_lowest_go(goes, weights[name], round(0.6 * goes.shape[1]))


@pytest.mark.parametrize("pattern", ["2:4", "4:8"])
@pytest.mark.parametrize("criterion", ["wanda", "magnitude", "random"])
def test_of_every_m_along_the_input_n_stay(model, scores, pattern, criterion):
    n, m = map(int, pattern.split(":"))
    ranked = model.weights() if criterion == "magnitude" else scores
    for name, kept in model.kept(1 - n / m, criterion=criterion, pattern=pattern).items():
        groups = outputs_first(kept, model).reshape(-1, m)
        np.testing.assert_array_equal(groups.sum(axis=1), n)
        if criterion != "random":
            check_lowest_go(~groups, ranked[name].reshape(-1, m), m - n)


def test_a_role_of_a_fused_matrix_has_its_rows_alone(model, scores):
    a = model.manifest.architecture
    settings = {"matrices": ["value"], "layers": [1]}
    [(name, kept)] = model.kept(0.5, criterion="wanda", allocation="row", **settings).items()
    goes = ~outputs_first(kept, model)
    lines = np.arange(len(goes))
    if a.family == "gpt_neox":  # query, key and value of each head in turn
        lines = np.arange(96).reshape(4, 3, 8)[:, 2].ravel()
    elif a.family == "gpt2":
        lines = np.arange(64, 96)
    check_lowest_go(goes[lines], scores[name][lines], 16)
    assert goes.sum() == len(lines) * 16


@pytest.mark.parametrize("settings", [{"allocation": "row"}, {"pattern": "2:4"}], ids=str)
def test_heads_have_their_columns_of_the_output_alone(model, scores, settings):
    kept = model.kept(0.5, criterion="wanda", heads=[[2, 1], [2, 3]], matrices=["output"], **settings)
    [(name, mask)] = kept.items()
    goes, columns = ~outputs_first(mask, model), np.r_[8:16, 24:32]
    assert goes.sum() == 32 * 8
    own = goes[:, columns], scores[name][:, columns]
    if "pattern" in settings:
        own = tuple(part.reshape(-1, 4) for part in own)
    check_lowest_go(*own, own[0].shape[1] // 2)


def test_a_chain_ranks_the_weights_that_it_stands_after(model, tmp_path):
    write_mask_of(model.manifest, PruneStrategy(allocation="layer").selection, 0.4, tmp_path / "mask")
    after = calibrate(model.manifest, tmp_path / "own", tmp_path / "mask")
    scores = after.scores()
    for name, kept in after.kept(0.5, criterion="wanda", allocation="row").items():
        goes = ~outputs_first(kept, model)
        check_lowest_go(goes, scores[name], goes.shape[1] // 2)


@pytest.mark.parametrize("settings", [{"allocation": "row"}, {"pattern": "4:8"}, {}], ids=str)
def test_masks_depend_on_no_slice(settings, monkeypatch, tmp_path):
    for family in ("llama", "gpt2"):
        manifest = resolve_model("tiny", tiny_model(family, "bfloat16", tmp_path / family))
        model = calibrate(manifest, tmp_path / f"{family} own")
        with monkeypatch.context() as patch:
            whole = model.kept(0.5, criterion="wanda", **settings)
            patch.setattr(weights_module, "SLICE", 64)
            patch.setattr(by_output, "BLOCK", 64)
            cut = model.kept(0.5, criterion="wanda", **settings)
        for name, kept in whole.items():
            np.testing.assert_array_equal(cut[name], kept)


@given(
    arrays(np.uint32, st.tuples(st.integers(1, 5), st.integers(1, 30)), elements=st.integers(0, 6)),
    st.floats(0, 1),
)
def test_of_equal_values_the_first_go(values, share):
    count = round(share * values.shape[1])
    expected = np.zeros(values.shape, dtype=bool)
    order = np.argsort(values, axis=1, kind="stable")[:, :count]
    np.put_along_axis(expected, order, True, axis=1)
    np.testing.assert_array_equal(~all_but_lowest(values, count), expected)
