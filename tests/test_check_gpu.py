"""`make check-gpu` with a CPU in place of the GPU: its page, what makes it fail, and what it needs."""

import re
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import check_batches
import check_gpu
import check_lease
import check_parity
import check_streamed
import numpy as np
import pytest
import torch
from check_settings import Settings, settings_for
from finding import Finding
from machine_facts import machine_facts

from memprune.devices import placement
from memprune.evaluation.scorer import Scorer
from memprune.evaluation.screened_scorer import ScreenedScorer
from memprune.models.families import FAMILIES
from memprune.scoring import hidden_states

H100 = SimpleNamespace(name="NVIDIA H100", total_memory=85 * 10**9, major=9, minor=0)
T4 = SimpleNamespace(name="Tesla T4", total_memory=15 * 10**9, major=7, minor=5)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """An empty folder to run in; the store is put back by the test's end."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEMPRUNE_STORE", str(tmp_path / "store"))
    return tmp_path


@pytest.fixture
def settings(tmp_path) -> Settings:
    return settings_for("cpu", tmp_path)


@pytest.fixture
def card(monkeypatch):
    """Says which GPU torch finds."""

    def finds(properties: SimpleNamespace) -> None:
        capability = (properties.major, properties.minor)
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)

    return finds


def rows_of(text: str) -> dict[str, list[str]]:
    """The cells of a page's rows by their first one."""
    lines = [line.strip("|") for line in text.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)] for line in lines]
    return {row[0]: row[1:] for row in rows}


@pytest.mark.slow
def test_the_page_has_rows_of_each_check_and_all_hold(capsys):
    assert check_gpu.main(["--device", "cpu"]) == 0
    text, told = capsys.readouterr()
    assert Path("results/check-gpu.md").read_text() == text
    assert [line.partition(":")[0] for line in told.splitlines()] == list(check_gpu.CHECKS)
    rows = rows_of(text)
    assert rows["torch"] == [torch.__version__]
    for check in check_gpu.CHECKS:
        verdicts = {row[-1] for case, row in rows.items() if case.partition(":")[0] == check}
        assert verdicts in ({"holds"}, {"holds", "not here"}, {"not here"})
        assert ("holds" in verdicts) == (check not in ("batch finding", "lease"))
    for dtype in ("float32", "float16", "bfloat16"):
        assert ", ".join(FAMILIES) in rows[f"parity: {dtype}"][0]
        assert rows[f"streamed: {dtype}"][0].startswith("the same bits")
    extracted = [
        int(re.search(r"(\d+) extracted", row[0])[1]) for case, row in rows.items() if "dense" in case
    ]
    assert extracted
    assert all(0 < count < 90 for count in extracted)
    assert re.search(r"settled \d\d+, re-scored [1-9]\d*, audited", rows["screening: bfloat16, bits"][0])
    assert sorted(path.name for path in Path("results").iterdir()) == ["check-gpu.log", "check-gpu.md"]


def one_other_bit(monkeypatch) -> None:
    """A device that chooses another token than the CPU, the last one of a sample that is extracted."""
    real, calls = Scorer.evidence, []

    def evidence(*arguments):
        found = real(*arguments)
        calls.append(found)
        if len(calls) > 1:
            return found
        rank = found.rank.copy()
        rank[found.greedy.all(axis=1).argmax(), -1] = 1
        return replace(found, rank=rank)

    monkeypatch.setattr(Scorer, "evidence", evidence)


def other_log_probabilities(monkeypatch) -> None:
    real = check_parity.evidence
    monkeypatch.setattr(check_parity, "ALLOWED", {"float32": 2e-5})

    def evidence(*arguments):
        log_probability, margin, rank = real(*arguments)
        return log_probability + 3e-5, margin, rank

    monkeypatch.setattr(check_parity, "evidence", evidence)


def settled_wrongly(monkeypatch) -> None:
    """A fast type by which nothing is extracted, beyond doubt."""
    real = ScreenedScorer.quickly

    def quickly(*arguments):
        found = real(*arguments)
        return replace(found, margin=np.full_like(found.margin, -9), rank=np.full_like(found.rank, 9))

    monkeypatch.setattr(ScreenedScorer, "quickly", quickly)
    monkeypatch.setattr(ScreenedScorer, "bound", 1.0)


def other_bits_streamed(monkeypatch) -> None:
    real = check_streamed.load_variant
    monkeypatch.setattr(check_streamed, "ALLOWED", {"float32": 2e-5})

    def load_variant(manifest, changes, dtype, device, block_tokens):
        model = real(manifest, changes, dtype, device, block_tokens)
        head = model.head()
        nearly = head._replace(logits=head.logits._replace(weight=head.logits.weight * (1 + 2**-20)))
        return replace(model, head=lambda: nearly) if block_tokens else model

    monkeypatch.setattr(check_streamed, "load_variant", load_variant)


@pytest.mark.parametrize(
    ("name", "fault", "case", "found"),
    [
        ("bits", one_other_bit, "bits: tiny-pythia-0.6m, dense", "1 of 90 bits differ"),
        ("parity", other_log_probabilities, "parity: float32", "log-probabilities within 3."),
        pytest.param(
            *("screening", settled_wrongly, "screening: bfloat16, bits", r"\d\d of 180 bits differ"),
            marks=pytest.mark.slow,
        ),
        ("streamed", other_bits_streamed, "streamed: float32", "other bits"),
    ],
)
def test_what_differs_fails(name, fault, case, found, monkeypatch, capsys):
    monkeypatch.setattr(check_gpu, "CHECKS", {name: check_gpu.CHECKS[name]})
    fault(monkeypatch)
    assert check_gpu.main(["--device", "cpu"]) == 1
    row = rows_of(capsys.readouterr().out)[case]
    assert re.match(found, row[0])
    assert row[-1] == "FAILS"


def test_a_check_that_raises_is_a_row_and_the_others_run(monkeypatch, capsys):
    def breaks(settings):
        yield Finding("first", "something", "anything", True)
        raise RuntimeError("CUDA error: a | b\nsecond line")

    fine = [Finding("", "all", "all", True)]
    monkeypatch.setattr(check_gpu, "CHECKS", {"broken": breaks, "fine": lambda settings: fine})
    assert check_gpu.main(["--device", "cpu"]) == 1
    text, told = capsys.readouterr()
    rows = rows_of(text)
    assert rows["broken: first"][-1] == "holds"
    assert rows["broken"] == ["RuntimeError: CUDA error: a \\| b second line", "no exception", "FAILS"]
    assert rows["fine"][-1] == "holds"
    assert re.fullmatch(r"broken: holds, FAILS, \d+ s\nfine: holds, \d+ s\n", told)
    assert "in breaks" in Path("results/check-gpu.log").read_text()


def test_without_a_gpu_one_line_says_so(monkeypatch, capsys, folder):
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit) as ended:
        check_gpu.main([])
    text, told = capsys.readouterr()
    assert ended.value.code == 1
    assert text == ""
    assert re.fullmatch(
        r"error: --device: found cuda, but torch .* finds no CUDA device; allowed: .*\n", told
    )
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    ("locks", "verdict"), [(True, "holds"), pytest.param(False, "FAILS", marks=pytest.mark.slow)]
)
def test_two_processes_take_turns_at_one_device(locks, verdict, machine, settings, monkeypatch):
    machine("0, GPU-a, 24000, 10", "1, GPU-b, 24000, 10")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)  # as the processes find it
    if not locks:
        nothing = check_lease.HOLD.replace("gpus.lease(0)", "gpus.lock = lambda gpu: True\ngpus.lease(0)")
        monkeypatch.setattr(check_lease, "HOLD", nothing)
    [found] = check_lease.check(settings)
    assert found.verdict == verdict
    assert found.found.endswith("the first uses GPU-a 0, the second uses GPU-a 0")
    assert ("does not wait" in found.found) != locks


@pytest.mark.parametrize(("room", "verdict"), [(2**14, "holds"), (2**17, "FAILS")])
def test_a_batch_is_found_where_memory_ends(room, verdict, settings, monkeypatch):
    """The CPU passes for a GPU that has room for so many tokens."""
    real, cpu = hidden_states.run_layer, torch.device("cpu")
    monkeypatch.setattr(check_batches, "limited", lambda more: nullcontext())
    monkeypatch.setattr(placement, "choose_device", lambda device: cpu)
    monkeypatch.setattr(placement, "free_on_gpu", lambda device: 1e10)

    def run_layer(hidden, *rest):
        if hidden.shape[0] * hidden.shape[1] > room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(hidden, *rest)

    monkeypatch.setattr(hidden_states, "run_layer", run_layer)
    [found] = check_batches.check(replace(settings, device="cuda"))
    assert found.verdict == verdict
    assert found.found.startswith(f"{min(room, 2**16)} tokens in 40 MiB")


@pytest.mark.parametrize(("properties", "shape", "has_tf32"), [(H100, "1b", True), (T4, "160m", False)])
def test_a_small_card_takes_a_small_shape(properties, shape, has_tf32, card, folder):
    card(properties)
    settings = settings_for("cuda", folder)
    assert (settings.shape, settings.has_tf32) == (shape, has_tf32)


def test_the_page_tells_the_card_and_its_driver(card, machine):
    card(H100)
    machine("580.65.06")
    facts = machine_facts("cuda")
    assert facts["GPU"] == "NVIDIA H100, compute capability 9.0"
    assert facts["memory"] == "85.0 GB"
    assert facts["driver"] == "580.65.06"
    assert re.match(r"\d+\.\d+\.\d+\S*, commit \S+", facts["memprune"])
