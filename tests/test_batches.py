"""Batches where memory ends, as a GPU's does; and that a pass never waits for the device's values."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import tiny_model
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from memprune.config.experiment import Evaluation
from memprune.devices import placement
from memprune.devices.placement import Placed, place
from memprune.errors import UserError
from memprune.models.resolve_model import resolve_model
from memprune.scoring import hidden_states
from memprune.scoring.batches import cut_batches
from memprune.scoring.forced_pass import forced_pass, score_suffixes, score_windows
from memprune.scoring.load_model import load_model
from memprune.scoring.logits import all_evidence
from memprune.scoring.variant_model import load_variant
from memprune.store import entries

LENGTH, SUFFIX = 20, 8
ERRORS = {
    "torch": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    "cuda": torch.AcceleratorError("CUDA error: out of memory"),
    "cublas": RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
}


@pytest.fixture
def room(monkeypatch):
    """Says how many tokens a pass may have on the device, and which error comes at more; lists the passes."""
    passes, real = [], hidden_states.run_layer

    def limit(tokens: int, error: Exception = ERRORS["torch"]) -> list[int]:
        def run_layer(hidden, *rest):
            passes.append(hidden.shape[0] * (hidden.shape[1] + 1))
            if passes[-1] > tokens:
                raise error
            return real(hidden, *rest)

        monkeypatch.setattr(hidden_states, "run_layer", run_layer)
        return passes

    return limit


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A model of one layer, and an empty store."""
    monkeypatch.setenv("MEMPRUNE_STORE", str(tmp_path / "store"))
    return tiny_model("gpt_neox", "float32", tmp_path / "model", layers=1)


@pytest.fixture
def gpu(monkeypatch):
    """The CPU passes for a GPU with 10 GB free."""
    monkeypatch.setattr(placement, "choose_device", lambda device: torch.device("cpu"))
    monkeypatch.setattr(placement, "name_of", lambda device: "a stand-in")
    monkeypatch.setattr(placement, "free_on_gpu", lambda device: 1e10)


def load(folder: Path, device: str = "cuda", by=load_model, **settings) -> Placed:
    spec = Evaluation(**settings).settings
    return place(by, resolve_model("tiny", folder), (), device, 1, spec, LENGTH)


def texts(rows: int) -> np.ndarray:
    return np.random.default_rng(0).integers(1, 300, (rows, LENGTH)).astype(np.int32)


def score(loaded: Placed, rows: int) -> tuple[np.ndarray, int]:
    """The log-probabilities of some texts, and the tokens that the bar of progress has at the end."""
    told = []
    work = partial(score_suffixes, loaded.model, texts(rows), [LENGTH - SUFFIX], SUFFIX)
    return loaded.within_memory(work, LENGTH, told.append).log_probability, sum(told)


@pytest.mark.parametrize("error", ERRORS)
def test_a_batch_that_does_not_fit_is_halved_and_the_size_used_is_told(error, folder, gpu, room, capsys):
    room(130, ERRORS[error])
    loaded = load(folder, batch_tokens=400)
    found, told = score(loaded, 20)
    assert told == 20 * LENGTH
    assert loaded.how["batch_tokens"] == "100"
    expected, _ = score(load(folder, batch_tokens=100), 20)
    np.testing.assert_array_equal(found, expected)
    assert capsys.readouterr().out.splitlines() == [
        "batch: 400 tokens do not fit, now 200",
        "batch: 200 tokens do not fit, now 100",
    ]


def test_progress_forgets_an_attempt_that_failed_half_way(folder, gpu, room):
    passes = room(10**6)
    loaded = load(folder, batch_tokens=100)
    score(loaded, 3)
    real = hidden_states.run_layer

    def fails_once(*arguments):
        if len(passes) == 3:
            passes.append(0)
            raise ERRORS["torch"]
        return real(*arguments)

    hidden_states.run_layer = fails_once
    assert score(loaded, 20)[1] == 20 * LENGTH
    assert loaded.how["batch_tokens"] == "50"


def test_each_shard_keeps_the_size_that_it_was_scored_with(folder, gpu, room):
    loaded = load(folder, batch_tokens=400)
    room(10**6)
    score(loaded, 20)
    first = loaded.how
    room(100)
    score(loaded, 20)
    assert (first["batch_tokens"], loaded.how["batch_tokens"]) == ("400", "100")


def test_perplexity_windows_are_halved_too(folder, gpu, room):
    windows = [row[:n] for row, n in zip(texts(6), (20, 9, 20, 5, 20, 20), strict=True)]
    scored = np.array([4, 8, 2, 1, 19, 3])
    expected = score_windows(load(folder, batch_tokens=20).model, windows, scored, 20)
    room(25)
    loaded = load(folder, batch_tokens=80)
    work = partial(score_windows, loaded.model, windows, scored)
    found = loaded.within_memory(work, LENGTH, lambda tokens: None)
    for ours, others in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, others)
    assert loaded.how["batch_tokens"] == "20"


def test_one_text_that_does_not_fit_is_explained(folder, gpu, room):
    room(10)
    line = "found too little memory on the device for one text of 20 tokens; try precision: bfloat16 or "
    with pytest.raises(UserError, match=line):
        score(load(folder, batch_tokens=400), 20)
    with pytest.raises(UserError, match=line):
        load(folder)


def test_other_errors_are_left_alone(folder, gpu, room):
    passes = room(10, RuntimeError("CUDA error: an illegal memory access was encountered"))
    with pytest.raises(RuntimeError, match="illegal memory access"):
        score(load(folder, batch_tokens=400), 20)
    assert len(passes) == 1


def test_a_size_is_found_from_the_largest_down_and_remembered(folder, gpu, room, capsys):
    passes = room(5000)
    assert load(folder).how["batch_tokens"] == "4096"
    assert passes == [n // LENGTH * LENGTH for n in (65536, 32768, 16384, 8192, 4096)]
    assert capsys.readouterr().out.endswith("batch: 4096 tokens, found by trying\n")
    passes.clear()
    loaded = load(folder)
    assert (passes, loaded.how["batch_tokens"]) == ([], "4096")
    assert load(folder, precision="bfloat16").how["batch_tokens"] == "4096"
    assert len(passes) == 5  # another dtype is another kind of job
    # What no longer fits later is remembered as well.
    room(300)
    score(loaded, 100)
    passes.clear()
    assert load(folder).how["batch_tokens"] == "256"
    assert passes == []
    assert [entry.name for entry in entries.all_entries()] == []


def test_a_cpu_and_a_given_size_are_not_probed(folder, room):
    passes = room(0)
    assert load(folder, device="cpu").how["batch_tokens"] == "2048"
    assert load(folder, device="cpu", batch_tokens=300).how["batch_tokens"] == "300"
    assert passes == []
    assert not (entries.folder() / "batches").exists()


def test_the_file_tells_what_it_is_for(folder, gpu, room):
    room(3000)
    load(folder, precision="float16")
    [file] = (entries.folder() / "batches").iterdir()
    about = json.loads(file.read_text())
    assert about["batch_tokens"] == 2048
    assert about["kind"]["compute_dtype"] == "float16"
    assert (about["kind"]["device"], about["kind"]["free GiB"]) == ("a stand-in", 9)


def test_a_model_that_fills_the_device_on_loading_is_streamed(folder, gpu, capsys):
    def full_if_resident(*arguments):
        if arguments[-1] == 0:
            raise ERRORS["torch"]
        return load_model(*arguments)

    expected, _ = score(load(folder, batch_tokens=100), 7)
    loaded = load(folder, by=full_if_resident, batch_tokens=100)
    assert loaded.how["residency"] == "streamed"
    np.testing.assert_array_equal(score(loaded, 7)[0], expected)
    assert capsys.readouterr().out.startswith("residency: the weights do not fit the device after all")
    with pytest.raises(UserError, match=r"evaluation.residency: found resident, but the weights do not fit"):
        load(folder, by=full_if_resident, residency="resident")


class OneDevice(TorchDispatchMode):
    """Refuses operations on tensors of two devices, but for copies and indices, which CUDA takes too."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        allowed = function._overloadpacket in (torch.ops.aten.copy_, torch.ops.aten.index)
        assert allowed or len({tensor.device for tensor in tensors}) <= 1, function
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("block_tokens", [0, 10**6])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_a_pass_stays_on_its_device_and_asks_it_for_results_alone(
    family, dtype, block_tokens, tmp_path, monkeypatch
):
    manifest = resolve_model("tiny", tiny_model(family, "float16", tmp_path))
    asked = []
    # Tensors of the device "meta" have no values: any look at one but the results' copies is an error.
    monkeypatch.setattr(torch.Tensor, "cpu", lambda tensor: asked.append(tensor) or torch.zeros(tensor.shape))
    with OneDevice():
        model = load_variant(manifest, (), dtype, torch.device("meta"), block_tokens)
        batches = list(cut_batches(np.arange(3), texts(3), 2 * LENGTH))
        forced_pass(model, batches, np.array([4, 7, 9, 12]), all_evidence)
    assert [(tuple(t.shape), t.dtype) for t in asked] == [
        ((rows, 4), dtype) for rows in (2, 1) for dtype in (torch.float32, torch.float32, torch.int32)
    ]
    assert {tensor.device.type for tensor in asked} == {"meta"}
