"""What the benchmarks share: cases in processes of their own, peak memory, the machine, and the reports."""

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results/benchmarks"
CHECKPOINTS = RESULTS / "checkpoints"
sys.path.insert(0, str(ROOT / "workflow_scripts"))

os.environ.setdefault("HF_HUB_OFFLINE", "1")


def timed(function: Callable, *arguments: object) -> tuple[Any, float]:
    """What a call returns, and how many seconds it takes."""
    start = time.perf_counter()
    result = function(*arguments)
    return result, time.perf_counter() - start


def median_seconds(repetitions: int, function: Callable, *arguments: object) -> float:
    """The median of several calls, after one that is not counted."""
    function(*arguments)
    return statistics.median(timed(function, *arguments)[1] for _ in range(repetitions))


def peak_bytes() -> int:
    """The largest resident memory of this process; getrusage's would be its parent's, if that is larger."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def resident_bytes() -> int:
    """The resident memory that this process has now."""
    return psutil.Process().memory_info().rss


def run_case(*arguments: object, tuned: bool = True) -> dict:
    """What one case of the calling script returns, run in a process of its own, and the process's peak.

    `tuned` gives it the workflow's settings of the allocator.
    """
    environment = dict(os.environ)
    if tuned:
        from memprune.devices.allocator import GLIBC_TUNABLES

        environment["GLIBC_TUNABLES"] = GLIBC_TUNABLES
    command = [sys.executable, sys.argv[0], *map(str, arguments)]
    start = time.perf_counter()
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    wall = time.perf_counter() - start
    return json.loads(done.stdout.splitlines()[-1]) | {"wall": wall}


def main(cases: Iterable[Callable], report: Callable[[], None]) -> None:
    """Run one case by its name and arguments, as `run_case` asks for, or without any the whole report."""
    if len(sys.argv) == 1:
        report()
        return
    case = {case.__name__: case for case in cases}[sys.argv[1]]
    print(json.dumps(case(*sys.argv[2:]) | {"peak": peak_bytes()}))


def machine() -> dict:
    """What the figures were measured on."""
    import torch

    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":")[1].strip()
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def write_report(name: str, title: str, rows: list[dict], raw: object) -> None:
    """Write `results/benchmarks/{name}.json`, all that was measured, and `.md`, its table; print that."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    content = {"machine": machine(), "rows": rows, "raw": raw}
    (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")
    columns = list(rows[0])
    lines = [f"## {title}", "", f"| {' | '.join(columns)} |", f"| {' | '.join('---' for _ in columns)} |"]
    lines += [f"| {' | '.join(str(row[column]) for column in columns)} |" for row in rows]
    text = "\n".join([*lines, "", ", ".join(f"{key} {value}" for key, value in machine().items()), ""])
    (RESULTS / f"{name}.md").write_text(text)
    print(text, flush=True)
