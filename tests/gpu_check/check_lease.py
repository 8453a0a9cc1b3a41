"""Leases: of two processes that want one GPU the second waits until the first ends."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer

import torch
from check_settings import Settings
from finding import Finding, not_here

from memprune.devices.gpus import Gpu, find_gpus

LIBRARY = Path(__file__).parents[2] / "workflow_scripts"
LONGEST = 120  # seconds until a process is ended, with a device or without
# With locks of its own: this process holds the machine's.
HOLD = """
import os, sys
from pathlib import Path
from memprune.devices import gpus
gpus.LOCKS, gpus.PAUSE = Path(sys.argv[1]), 0.2
gpus.lease(0)
import torch
print("uses", os.environ["CUDA_VISIBLE_DEVICES"], torch.cuda.device_count(), flush=True)
sys.stdin.read()
"""


def check(settings: Settings) -> Iterator[Finding]:
    """Two processes, to which CUDA_VISIBLE_DEVICES names one device."""
    gpus = find_gpus()
    if not gpus:
        yield not_here("", "nvidia-smi finds no device")
        return
    locks = settings.folder / "locks"
    with holder(gpus[0], locks) as first:
        used_by_first = told_by(first)[-1]
        with holder(gpus[0], locks) as second:
            waits = second.stdout.readline().startswith("gpu: waiting for one of")
            first.stdin.close()
            used_by_second = told_by(second)[-1]
    # CUDA finds none where the GPU is a stand-in.
    expected = f"uses {gpus[0].uuid} {min(1, torch.cuda.device_count())}"
    yield Finding(
        "",
        f"the second process {'waits until the first ends' if waits else 'does not wait'}; "
        f"the first {used_by_first}, the second {used_by_second}",
        f"waits; both: {expected}",
        waits and used_by_first == used_by_second == expected,
    )


@contextmanager
def holder(gpu: Gpu, locks: Path) -> Iterator[subprocess.Popen]:
    """A process that leases a device and keeps it until its standard input is closed."""
    environment = os.environ | {"PYTHONPATH": str(LIBRARY), "CUDA_VISIBLE_DEVICES": gpu.uuid}
    environment.pop("SLURM_JOB_ID", None)  # which would give the device without a lease
    command = [sys.executable, "-c", HOLD, str(locks)]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        timer = Timer(LONGEST, process.kill)
        timer.start()
        try:
            yield process
        finally:
            timer.cancel()
            process.kill()


def told_by(process: subprocess.Popen) -> list[str]:
    """The lines of a process up to the device that it uses."""
    told = []
    while not (told and told[-1].startswith("uses")):
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"a process ended without a device; it told: {' '.join(told)}")
        told.append(line.strip())
    return told
