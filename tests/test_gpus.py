"""Leases of GPUs by real processes; the devices are what a stand-in for nvidia-smi tells."""

import os
import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from project import lay_out, snakemake
from tiny_models import tiny_model

from memprune.config.experiment import Evaluation
from memprune.devices import gpus
from memprune.devices.footprint import CUDA_BYTES, device_bytes
from memprune.devices.gpus import Gpu, by_preference, find_gpus, given_by_slurm, is_taken
from memprune.errors import UserError
from memprune.models.resolve_model import resolve_model

LIBRARY = Path(__file__).parents[1] / "workflow_scripts"
HOLD = """
import os, sys
from pathlib import Path
from memprune.devices import gpus
gpus.LOCKS, gpus.PAUSE = Path(sys.argv[1]), 0.02
gpus.lease(int(sys.argv[2]))
print("uses", os.environ.get("CUDA_VISIBLE_DEVICES"), "torch" in sys.modules, flush=True)
sys.stdin.read()
"""
SMALL = "0, GPU-small, 24000, 10"
LARGE = "1, GPU-large, 80000, 10"
MIDDLE = "2, GPU-middle, 40000, 10"
GB = 10**9


@pytest.fixture
def holder(tmp_path):
    """Starts processes that take a lease and keep it until they are told to end, or killed."""
    with ExitStack() as stack:

        def start(needed: int = 0) -> subprocess.Popen:
            process = subprocess.Popen(
                [sys.executable, "-c", HOLD, tmp_path / "locks", str(needed)],
                env=os.environ | {"PYTHONPATH": str(LIBRARY)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            return process

        yield start


def used_by(process: subprocess.Popen) -> tuple[str, list[str]]:
    """The device that a process uses, once it has one, and what it told before."""
    told = []
    while not (line := process.stdout.readline()).startswith("uses"):
        assert line, "ended without a device"
        told.append(line.strip())
    _, device, torch_is_there = line.split()
    assert torch_is_there == "False"
    return device, told


def test_a_process_that_scores_with_several_models_leases_once(machine, tmp_path, monkeypatch):
    machine(SMALL, LARGE)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")  # put back by the test's end
    monkeypatch.setattr(gpus, "LOCKS", tmp_path / "locks")
    monkeypatch.setattr(gpus, "held", [])
    gpus.lease(10 * GB)
    machine("0, GPU-small, 24000, 20000", LARGE)  # its own model's memory
    gpus.lease(10 * GB)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "GPU-small"
    assert len(gpus.held) == 1


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (None, ["GPU-small", "GPU-large", "GPU-middle"]),
        ("", []),
        ("-1", []),
        ("1", ["GPU-large"]),
        ("2, 0", ["GPU-middle", "GPU-small"]),
        ("0,-1,1", ["GPU-small"]),
        ("0,7,1", ["GPU-small"]),
        ("GPU-large,GPU-mid", ["GPU-large", "GPU-middle"]),
        ("MIG-1f2e,MIG-3a4b", ["MIG-1f2e", "MIG-3a4b"]),
    ],
)
def test_cuda_visible_devices_limits_what_is_found(given, found, machine, monkeypatch):
    machine(SMALL, LARGE, MIDDLE)
    if given is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    assert [gpu.uuid for gpu in find_gpus()] == found


def test_a_machine_without_devices(machine, tmp_path, monkeypatch):
    assert find_gpus() == []
    (tmp_path / "bin/nvidia-smi").write_text("#!/bin/sh\necho No devices were found\nexit 6\n")
    assert find_gpus() == []
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_gpus() == []


def test_memory_that_nvidia_smi_does_not_tell(machine):
    machine("0, GPU-shared, [N/A], [N/A]")
    [gpu] = find_gpus()
    assert (gpu.memory, gpu.used) == (0, 0)
    assert not is_taken(gpu)


@pytest.mark.parametrize(
    ("needed", "order"),
    [
        (10, ["GPU-small", "GPU-middle", "GPU-large"]),
        (30, ["GPU-middle", "GPU-large", "GPU-small"]),
        (60, ["GPU-large", "GPU-middle", "GPU-small"]),
        (500, ["GPU-large", "GPU-middle", "GPU-small"]),
    ],
)
def test_the_smallest_device_that_fits_else_the_largest(needed, order, machine):
    machine(SMALL, LARGE, MIDDLE)
    assert [gpu.uuid for gpu in by_preference(find_gpus(), needed * GB)] == order


def test_each_of_racing_processes_has_a_device_of_its_own(machine, holder):
    machine(*(f"{number}, GPU-{number}, 80000, 10" for number in range(8)))
    processes = [holder() for _ in range(8)]
    assert {used_by(process)[0] for process in processes} == {f"GPU-{number}" for number in range(8)}


@pytest.mark.parametrize("end", ["killed", "finished"])
def test_a_device_is_free_again_when_its_holder_ends(end, machine, holder):
    machine(SMALL)
    first = holder()
    assert used_by(first)[0] == "GPU-small"
    second = holder()
    waiting = second.stdout.readline()
    assert waiting == "gpu: waiting for one of 0 (GPU-small, 0.0 of 25.2 GB in use)\n"
    first.kill() if end == "killed" else first.stdin.close()
    device, told = used_by(second)
    assert device == "GPU-small"
    assert told == ["gpu: leased 0 (GPU-small, 0.0 of 25.2 GB in use)"]


def test_a_device_that_somebody_else_uses_is_passed_over_and_waited_for(machine, holder):
    machine("0, GPU-taken, 24000, 12000", LARGE)
    assert used_by(holder())[0] == "GPU-large"
    waiting = holder()
    assert waiting.stdout.readline().startswith(
        "gpu: waiting for one of 0 (GPU-taken, 12.6 of 25.2 GB in use)"
    )
    machine("0, GPU-taken, 24000, 300", LARGE)
    assert used_by(waiting)[0] == "GPU-taken"


def test_a_lease_asks_for_what_the_model_takes(machine, holder):
    machine(SMALL, LARGE, MIDDLE)
    assert used_by(holder(30 * GB))[0] == "GPU-middle"
    assert used_by(holder(30 * GB))[0] == "GPU-large"
    assert used_by(holder(30 * GB))[0] == "GPU-small"


def test_only_named_devices_are_leased(machine, holder, monkeypatch):
    machine(SMALL, LARGE, MIDDLE)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2")
    assert used_by(holder())[0] == "GPU-middle"
    assert "waiting for one of 2" in holder().stdout.readline()


def test_what_slurm_gives_is_used_as_it_is(machine, holder, monkeypatch):
    machine(SMALL, LARGE)
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert [used_by(holder()) for _ in range(2)] == [("0", [])] * 2
    # Several in one allocation are shared out among its processes.
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert {used_by(holder())[0] for _ in range(2)} == {"GPU-small", "GPU-large"}


@pytest.mark.parametrize(("given", "count"), [("3", 1), ("0,1", 2), ("", 0), ("NoDevFiles", 0)])
def test_devices_of_an_allocation_are_counted(monkeypatch, given, count):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert given_by_slurm() == 0
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert given_by_slurm() == count


def test_without_nvidia_smi_nothing_is_leased(machine, holder):
    device, [told] = used_by(holder())
    assert device == "None"
    assert told == "gpu: nvidia-smi finds none; what CUDA finds is used without a lease"


def test_locks_are_open_to_all_users(machine, holder, tmp_path):
    machine(SMALL)
    before = os.umask(0o077)
    try:
        used_by(holder())
    finally:
        os.umask(before)
    assert (tmp_path / "locks").stat().st_mode & 0o7777 == 0o777
    assert (tmp_path / "locks/GPU-small.lock").stat().st_mode & 0o777 == 0o666


def test_a_link_in_place_of_the_locks_is_refused(tmp_path, monkeypatch):
    """Whoever made it would have files made elsewhere, in another's name."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "locks").symlink_to("elsewhere")
    monkeypatch.setattr(gpus, "LOCKS", tmp_path / "locks")
    with pytest.raises(UserError, match=f"^{tmp_path}/locks: found a symbolic link, allowed: a folder"):
        gpus.lock(Gpu(0, "GPU-a", 1, 0))
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_closed_folder_of_locks_is_named(tmp_path, monkeypatch):
    (tmp_path / "locks").write_text("no folder")
    monkeypatch.setattr(gpus, "LOCKS", tmp_path / "locks")
    with pytest.raises(UserError, match=r"locks/GPU-a.lock: a GPU is leased by locking this file, found: "):
        gpus.lock(Gpu(0, "GPU-a", GB, 0))


def test_needed_memory_follows_weights_dtype_and_residency(tmp_path):
    manifest = resolve_model("tiny", tiny_model("gpt_neox", "float32", tmp_path, layers=40))
    size = (tmp_path / "model.safetensors").stat().st_size

    def needed(**settings) -> int:
        return device_bytes(manifest.architecture, Evaluation(**settings).settings) - CUDA_BYTES

    assert 0.9 * (needed() - needed(residency="streamed")) == pytest.approx(size, rel=0.1)
    assert needed(precision="bfloat16") < needed()
    assert needed(batch_tokens=2**20) > needed()


@pytest.mark.slow
def test_as_many_jobs_score_as_there_are_devices(machine, tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    lay_out(project)
    machine(SMALL, LARGE, MIDDLE)
    target = "results/tiny/models/small/manifest.json"
    for options, limit in (((), 3), (("--resources", "gpu=1"), 1)):
        done = snakemake(project, "--configfile", "tiny.yaml", "--forceall", *options, "--", target)
        output = done.stdout + done.stderr
        assert done.returncode == 0, output
        assert re.search(rf"Provided resources: gpu=\D*{limit}\b", output), output
