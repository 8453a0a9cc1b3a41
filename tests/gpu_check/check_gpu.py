"""Check on a GPU what our tests can only fake, and write a page of it that can be sent to us.

`make check-gpu` runs it: `results/check-gpu.md` is the page, `results/check-gpu.log` what was said meanwhile.
"""

import argparse
import gc
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TextIO

import check_batches
import check_bits
import check_lease
import check_parity
import check_rates
import check_screening
import check_streamed
import torch
from check_page import page
from check_settings import Settings, settings_for
from finding import Finding
from machine_facts import machine_facts
from transformers.utils import logging

from memprune.devices import gpus
from memprune.jobs.script import fail

Check = Callable[[Settings], Iterable[Finding]]
CHECKS: dict[str, Check] = {
    "parity": check_parity.check,
    "bits": check_bits.check,
    "screening": check_screening.check,
    "batch finding": check_batches.check,
    "lease": check_lease.check,
    "streamed": check_streamed.check,
    "rate": check_rates.check,
}
RESULTS = Path("results")
LONGEST_LINE = 300  # characters of what an exception says


def main(words: Sequence[str] | None = None) -> int:
    """Run all checks and print their page; the exit status, 1 if one fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    device = parser.parse_args(words).device
    if device == "cuda":
        take_gpu()
    logging.set_verbosity_error()
    RESULTS.mkdir(exist_ok=True)
    start, facts = time.monotonic(), machine_facts(device)
    with (
        TemporaryDirectory(prefix="check-gpu-", dir=RESULTS) as folder,
        (RESULTS / "check-gpu.log").open("w") as log,
    ):
        os.environ["MEMPRUNE_STORE"] = str(Path(folder, "store").resolve())
        settings = settings_for(device, Path(folder))
        found = {name: run_check(name, check, settings, log) for name, check in CHECKS.items()}
    text = page(facts, found, time.monotonic() - start)
    (RESULTS / "check-gpu.md").write_text(text)
    print(text, end="")
    return int(any(one.holds is False for findings in found.values() for one in findings))


def take_gpu() -> None:
    """Lease the largest free device, as jobs do, and so before CUDA is used; end in one line without any."""
    with redirect_stdout(sys.stderr):
        if torch.version.cuda is not None:
            gpus.lease(sys.maxsize)
    if not torch.cuda.is_available():
        fail(
            f"--device: found cuda, but torch {torch.__version__} finds no CUDA device; "
            "allowed: a machine with an NVIDIA GPU and a build of torch for CUDA, or --device cpu"
        )


def run_check(name: str, check: Check, settings: Settings, log: TextIO) -> list[Finding]:
    """What a check finds; an exception is a finding too. What is said meanwhile goes to the log."""
    print(f"{name}: ", end="", file=sys.stderr, flush=True)
    start, found = time.monotonic(), []
    with redirect_stdout(log), redirect_stderr(log):
        try:
            gc.collect()
            torch.cuda.empty_cache()
            for one in check(settings):
                found.append(one)
        except Exception as error:
            traceback.print_exc()
            said = " ".join(f"{type(error).__name__}: {error}".split())[:LONGEST_LINE]
            found.append(Finding("", said, "no exception", False))
    verdicts = ", ".join(dict.fromkeys(one.verdict for one in found))
    print(f"{verdicts}, {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
    return found


if __name__ == "__main__":
    sys.exit(main())
