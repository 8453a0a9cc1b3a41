"""What only a GPU can tell: where memory really ends, and which kernels PyTorch takes."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from check_batches import ALLOWED, MEMORY, limited, score
from tiny_models import tiny_model

from memprune.models.resolve_model import resolve_model
from memprune.scoring.attention import attend

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
GPU = torch.device("cuda")


def test_scores_in_the_batches_that_fit_are_those_of_the_cpu(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MEMPRUNE_STORE", str(tmp_path / "store"))
    manifest = resolve_model("tiny", tiny_model("gpt_neox", "float32", tmp_path / "model"))
    with limited(MEMORY):
        found, _ = score(manifest, "cuda")
    expected, _ = score(manifest, "cpu")
    assert "65536 tokens do not fit, now 32768" in capsys.readouterr().out
    np.testing.assert_allclose(found, expected, atol=ALLOWED)


def test_grouped_heads_in_float32_take_memory_that_grows_with_the_length_alone():
    a = SimpleNamespace(heads=8, key_heads=2, head_size=64, attention_scale=None, attends_plainly=False)
    for tokens in (2048, 4096):
        features = torch.randn(1, tokens, a.heads + 2 * a.key_heads, a.head_size, device=GPU)
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        attend(features, a, None)
        assert torch.cuda.max_memory_allocated() - before < 8 * features.nbytes < 4 * a.heads * tokens**2


def test_products_in_float32_are_not_rounded_to_tf32():
    left, right = torch.randn(2, 512, 512, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = (left.to(GPU, torch.float32) @ right.to(GPU, torch.float32)).double().cpu()
    expected = left.float().double() @ right.float().double()
    assert (found - expected).norm() / expected.norm() < 1e-5
