"""What the jobs behind an experiment's findings took, by rule."""

from pathlib import Path

import pandas as pd

from memprune.report.benchmark_files import Benchmark, read_benchmark
from memprune.report.jobs_behind import jobs_behind

COLUMNS = ["rule", "jobs", "unmeasured", "seconds", "longest_seconds", "max_rss_mb", "cpu_seconds"]


def rule_costs(results: Path) -> pd.DataFrame:
    """A row a rule, the costliest first: its jobs behind the findings in the folder `results`.

    `unmeasured` is how many of the `jobs` lack a benchmark file that can be read. Of the others are `seconds`
    the sum of wall seconds, `longest_seconds` the longest job's, `max_rss_mb` the highest memory in MiB and
    `cpu_seconds` the sum of CPU seconds, each null where nothing was measured; a job of less than half a
    second counts to neither memory nor CPU seconds.
    """
    measured: dict[str, list[Benchmark | None]] = {}
    for job in jobs_behind(results):
        measured.setdefault(job.rule, []).append(read_benchmark(job.benchmark))
    costs = pd.DataFrame([row(rule, found) for rule, found in measured.items()], columns=COLUMNS)
    costs = costs.astype(dict.fromkeys(COLUMNS[3:], float))
    return costs.sort_values(["seconds", "rule"], ascending=[False, True], ignore_index=True)


def row(rule: str, found: list[Benchmark | None]) -> tuple:
    """A rule's row, from what was measured of each of its jobs."""
    known = [benchmark for benchmark in found if benchmark is not None]
    seconds = [benchmark.seconds for benchmark in known]
    memory = [benchmark.max_rss_mb for benchmark in known if benchmark.max_rss_mb is not None]
    cpu = [benchmark.cpu_seconds for benchmark in known if benchmark.cpu_seconds is not None]
    return (
        rule,
        len(found),
        len(found) - len(known),
        sum(seconds) if seconds else None,
        max(seconds, default=None),
        max(memory, default=None),
        sum(cpu) if cpu else None,
    )
