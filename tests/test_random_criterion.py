"""Random masks: exact, uniform, the same everywhere, and blind to the weights."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import chisquare

from memprune.config.strategies.prune_strategy import PruneStrategy
from memprune.methods.asked import Asked
from memprune.methods.criteria import random
from memprune.methods.prune import compute_mask
from memprune.models import weights as weights_module
from memprune.models.manifest import Matrix
from memprune.variants.masks import unpack

MATRICES = [Matrix(f"layer {n} up", "no file", n, "up", (301, 203)) for n in range(2)]
MODEL = SimpleNamespace(
    model="m", folder="no folder", matrices=MATRICES,
    architecture=SimpleNamespace(family="llama", layers=2, heads=4, key_heads=4),
)  # fmt: skip


def kept(level: float, threads: int = 2, **settings) -> np.ndarray:
    """What a random strategy keeps of a model that is nowhere: matrices × rows × columns."""
    selection = PruneStrategy(matrices=["up"], criterion="random", **settings).selection
    packed = compute_mask(Asked(MODEL, selection.settings, level, "s", threads=threads))
    masks = [unpack(packed[m.name], slice(0, m.weights)).reshape(m.shape) for m in MATRICES]
    return np.stack(masks)


@pytest.mark.parametrize("level", [1e-6, 0.1, 0.37, 0.99999, 1.0])
def test_counts_are_exact(level):
    assert (~kept(level)).sum() == round(level * 2 * 301 * 203)
    for mask in kept(level, allocation="matrix"):
        assert (~mask).sum() == round(level * 301 * 203)


def test_what_goes_is_uniform_over_matrices_rows_columns_and_bytes():
    removed = ~kept(0.3, seed=7)
    for counts in (
        removed.sum((1, 2)),
        removed.sum((0, 2)),
        removed.sum((0, 1)),
        removed.reshape(2, -1)[:, : 301 * 203 // 8 * 8].reshape(-1, 8).sum(0),
    ):
        assert chisquare(counts).pvalue > 0.001
    assert abs(np.corrcoef(removed[0].ravel(), removed[1].ravel())[0, 1]) < 0.02


def test_a_mask_depends_on_the_seed_and_on_no_thread_or_slice(monkeypatch):
    whole = kept(0.3, threads=1)
    np.testing.assert_array_equal(kept(0.3, threads=1, seed=0), whole)
    assert 0.3 < (kept(0.3, seed=1) != whole).mean() < 0.5  # 2 × 0.3 × 0.7 by chance
    monkeypatch.setattr(weights_module, "SLICE", 64)
    np.testing.assert_array_equal(kept(0.3, threads=3), whole)


def test_what_goes_at_a_level_goes_at_higher_ones():
    assert not (kept(0.6) & ~kept(0.3)).any()


def test_keys_are_these_on_every_machine():
    of = random.keys(Asked(MODEL, {"seed": 5}, 0.5, "s")).of
    keys = of(MATRICES[1], slice(8, 13))
    assert keys.tolist() == [2429989949, 1743879057, 2312074059, 2624157260, 3944130475]
    whole = of(MATRICES[1], slice(0, 16))
    np.testing.assert_array_equal(whole[8:13], keys)
