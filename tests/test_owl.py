"""OWL against its paper's formulas, written here in plain NumPy."""

from dataclasses import replace

import numpy as np
import pytest
from calibrated import Calibrated, calibrate, check_lowest_go
from conftest import FAMILIES
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import tiny_model

from memprune.errors import UserError
from memprune.methods.owl import layer_levels, rescaled
from memprune.models.resolve_model import resolve_model


@pytest.fixture(scope="module", params=FAMILIES)
def model(request, tmp_path_factory) -> Calibrated:
    folder = tmp_path_factory.mktemp(request.param)
    return calibrate(resolve_model("tiny", tiny_model(request.param, "float16", folder / "m")), folder / "o")


def expected_levels(model: Calibrated, level: float) -> np.ndarray:
    """Section 3.3: D of each layer, scaled to [0, 2 λ], around the level."""
    scores, shares = model.scores(), []
    for layer in range(4):
        own = [scores[m.name].ravel() for m in model.manifest.matrices if m.layer == layer]
        whole = np.concatenate(own)
        shares.append((whole > 5 * whole.mean()).mean())
    ratios = np.array(shares)
    ratios = (ratios - ratios.min()) / (ratios.max() - ratios.min()) * 0.08 * 2
    return 1 - (ratios - ratios.mean() + (1 - level))


@pytest.mark.parametrize("criterion", ["wanda", "magnitude"])
def test_layers_and_rows_have_the_papers_sparsity(model, criterion):
    levels = layer_levels(model.asked(0.6, criterion=criterion, allocation="owl"))
    np.testing.assert_allclose(list(levels.values()), expected_levels(model, 0.6), atol=0.004)
    assert np.mean(list(levels.values())) == pytest.approx(0.6, abs=1e-12)
    assert max(levels.values()) - min(levels.values()) == pytest.approx(0.16)
    ranked = model.scores() if criterion == "wanda" else model.weights()
    kept = model.kept(0.6, criterion=criterion, allocation="owl")
    for matrix in model.manifest.matrices:
        goes = ~kept[matrix.name]
        goes = goes.T if model.manifest.architecture.family == "gpt2" else goes
        check_lowest_go(goes, ranked[matrix.name], round(levels[matrix.layer] * goes.shape[1]))


def test_only_what_is_in_scope_counts(model):
    asked = model.asked(0.5, criterion="wanda", allocation="owl", layers=[1, 3], matrices="mlp")
    levels = layer_levels(asked)
    assert sorted(levels.values()) == pytest.approx([0.42, 0.58])
    assert set(levels) == {1, 3}


def test_a_level_that_leaves_no_room_is_refused(model):
    asked = model.asked(0.98, criterion="wanda", allocation="owl")
    with pytest.raises(UserError, match=r"tested: at level 0.98 allocation owl asks for .* to 1\."):
        layer_levels(asked)
    assert max(layer_levels(replace(asked, level=0.84)).values()) <= 1


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.floats(0.16, 0.84))
def test_the_mean_is_the_level_and_layers_with_more_outliers_go_less(shares, level):
    found = np.array(rescaled(np.array(shares), level))
    assert found.mean() == pytest.approx(level, abs=1e-12)
    assert (found >= -1e-12).all()
    assert (found <= 1 + 1e-12).all()
    assert (np.diff(found[np.argsort(shares)]) <= 1e-12).all()
