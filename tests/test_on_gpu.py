"""What only a GPU can tell: where memory really ends, and which kernels PyTorch takes."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tiny_models import tiny_model
from torch.nn import functional

from memprune.config.experiment import Evaluation
from memprune.devices.placement import place
from memprune.models.resolve_model import resolve_model
from memprune.scoring.decoder import attend
from memprune.scoring.forced_pass import score_suffixes

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
GPU = torch.device("cuda")
LENGTH, SUFFIX = 100, 20


@pytest.fixture
def memory():
    """Says how many bytes this process may have on the device beside what it has."""

    def allow(more: int) -> None:
        row = torch.ones(1, 16, device=GPU)
        functional.linear(row, row.expand(16, 16), row[0])  # its libraries have their room from now on
        torch.cuda.empty_cache()
        total = torch.cuda.mem_get_info()[1]
        torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + more) / total)

    yield allow
    torch.cuda.set_per_process_memory_fraction(1.0)


def test_scores_in_the_batches_that_fit_are_those_of_the_cpu(memory, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MEMPRUNE_STORE", str(tmp_path / "store"))
    manifest = resolve_model("tiny", tiny_model("gpt_neox", "float32", tmp_path / "model"))
    samples = np.random.default_rng(0).integers(1, 300, (700, LENGTH)).astype(np.int32)
    memory(40 * 2**20)
    found = {}
    for device in ("cuda", "cpu"):
        placed = place(manifest, None, device, 1, Evaluation().model_dump(), LENGTH)
        work = partial(score_suffixes, placed.model, samples, [LENGTH - SUFFIX], SUFFIX)
        found[device] = placed.within_memory(work, LENGTH, lambda tokens: None)
    assert "65536 tokens do not fit, now 32768" in capsys.readouterr().out
    np.testing.assert_allclose(found["cuda"].log_probability, found["cpu"].log_probability, atol=1e-4)


def test_grouped_heads_in_float32_take_memory_that_grows_with_the_length_alone():
    a = SimpleNamespace(heads=8, key_heads=2, head_size=64)
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
