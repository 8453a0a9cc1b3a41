"""What the store saved: the seconds that computing its entries took, less what jobs took that used them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import pandas as pd

from memprune.report.benchmark_files import read_benchmark
from memprune.report.jobs_behind import Job, jobs_behind
from memprune.report.provenance import origin
from memprune.store import entries, roots

COLUMNS = ["kind", "device", "unit", "entries", "computed_seconds", "job_seconds", "saved_seconds"]
# The kind of an entry, and the class of device that it was computed on, if any.
Group = tuple[str, str | None]


def saved_seconds(results: Path) -> pd.DataFrame:
    """A row a kind of entries and class of device (null where it has none): what the store saved.

    Counted are the jobs behind the findings in the folder `results`, and once each entry that they used.
    `computed_seconds` is what computing these `entries` took, whenever that was; `job_seconds` what the jobs
    took, start-up included, one of several kinds by their shares; `saved_seconds` the difference, at least
    0. `unit` is "GPU seconds" for entries of device cuda. Seconds are null unless all of them are known.
    """
    computed: dict[Group, dict[str, float | None]] = defaultdict(dict)
    taken: dict[Group, list[float | None]] = defaultdict(list)
    for job, names in entries_of(jobs_behind(results)):
        own: dict[Group, dict[str, float | None]] = defaultdict(dict)
        for name in names:
            group, seconds = about(name)
            own[group][name] = seconds
        benchmark = read_benchmark(job.benchmark)
        for group, share in shares(own).items():
            computed[group] |= own[group]
            taken[group].append(benchmark and benchmark.seconds * share)
    rows = [row(group, list(computed[group].values()), taken[group]) for group in computed]
    saved = pd.DataFrame(rows, columns=COLUMNS).astype(dict.fromkeys(COLUMNS[4:], float))
    return saved.sort_values(["kind", "device"], ignore_index=True)


def entries_of(jobs: list[Job]) -> list[tuple[Job, set[str]]]:
    """Each job with the names of the entries that its results were made from."""
    recorded = roots.of_results(entries.folder(), [file for job in jobs for file in job.outputs])
    return [
        (job, {name for file in job.outputs for name in origin(file, recorded[file])[1] or ()})
        for job in jobs
    ]


def about(name: str) -> tuple[Group, float | None]:
    """The kind of an entry, the class of device that it was computed on, and how long that took, if known."""
    kind = name.split("/")[0]
    with suppress(OSError, ValueError, LookupError, TypeError, AttributeError):  # a damaged record
        recorded = entries.recorded(name)
        determinants = recorded["determinants"]
        scored = determinants.get("dense") or determinants  # a level that was found is scored as its model is
        return (kind, scored.get("device")), recorded.get("seconds")
    return (kind, None), None


def shares(own: Mapping[Group, Mapping[str, float | None]]) -> dict[Group, float]:
    """The share of a job that each group of its entries has: by seconds if all are known, else by number."""
    weights = {group: total(found.values()) for group, found in own.items()}
    if total(weights.values()) in (None, 0):
        weights = {group: len(found) for group, found in own.items()}
    return {group: weight / sum(weights.values()) for group, weight in weights.items()}


def row(group: Group, computed: list[float | None], taken: list[float | None]) -> tuple:
    """The row of one group of entries."""
    kind, device = group
    unit = "GPU seconds" if device == "cuda" else "seconds"
    before, now = total(computed), total(taken)
    saved = None if before is None or now is None else max(0.0, before - now)
    return kind, device, unit, len(computed), before, now, saved


def total(values: Iterable[float | None]) -> float | None:
    """The sum of seconds, None unless all are known."""
    known = list(values)
    return None if None in known else float(sum(known))
