"""What Snakemake measured of a job, in the file that its rule names as `benchmark`."""

import csv
import math
from dataclasses import dataclass
from pathlib import Path

FIRST_SAMPLE = 0.5  # seconds: what is sampled before is the shell that starts the job


@dataclass(frozen=True)
class Benchmark:
    """A job's wall seconds, its highest resident memory in MiB and its CPU seconds.

    Memory and CPU seconds are of samples, the last of which may be half a minute old; they are None for a job
    that ended before the first one.
    """

    seconds: float
    max_rss_mb: float | None
    cpu_seconds: float | None


def read_benchmark(path: Path) -> Benchmark | None:
    """What a benchmark file says; None of one that is missing, empty or damaged."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            row = next(csv.DictReader(file, delimiter="\t"))
        seconds, memory, cpu = (number(row[name]) for name in ("s", "max_rss", "cpu_time"))
    except (OSError, ValueError, LookupError, TypeError, StopIteration, csv.Error):
        return None
    if seconds is None:
        return None
    return Benchmark(seconds, memory, cpu) if seconds > FIRST_SAMPLE else Benchmark(seconds, None, None)


def number(text: str) -> float | None:
    """A number that is not negative, None for what was not measured. Raises ValueError for anything else."""
    if text in ("NA", "-"):
        return None
    value = float(text)
    if not math.isfinite(value) or value < 0:
        raise ValueError(text)
    return value
