"""The jobs that an experiment's findings were made by, as Snakemake recorded them.

Each result's record names the rule, the inputs and the log of the job that made it: so what is behind the
findings is known in any job, on any host, and is the same whatever else runs. Results of an earlier
configuration, and figures, which nothing is made from, are not among it.
"""

import json
import os
from base64 import urlsafe_b64encode
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from memprune.planning import paths

RECORDS = ".snakemake/metadata"


@dataclass(frozen=True)
class Job:
    """A job: its rule, the file of its benchmark, what it read, and those of its results that were used."""

    rule: str
    benchmark: Path
    inputs: list[Path]
    outputs: list[Path]


def jobs_behind(results: Path) -> list[Job]:
    """The jobs behind `findings.md` in the experiment's folder, by rule and benchmark; none without records.

    A file without a record, as those of models and corpora, was made by no job.
    """
    project = next((folder for folder in results.parents if (folder / RECORDS).is_dir()), None)
    if project is None:
        return []
    waiting, seen = [Path(paths.findings(results))], set()
    jobs: dict[tuple, Job] = {}
    while waiting:
        file = waiting.pop()
        record = None if file in seen else record_of(project, file)
        seen.add(file)
        if record is not None:
            rule, benchmark = record["rule"], project / paths.benchmark(record["log"][0])
            inputs = [project / name for name in record["input"]]
            jobs.setdefault((rule, benchmark), Job(rule, benchmark, inputs, [])).outputs.append(file)
            waiting += inputs
    return [jobs[key] for key in sorted(jobs)]


def record_of(project: Path, file: Path) -> dict | None:
    """What Snakemake recorded of a file by its path from the folder that it ran in; None if nothing."""
    with suppress(OSError, ValueError, AttributeError):  # a damaged record
        record = json.loads(place_of_record(project, str(file.relative_to(project))).read_text())
        return record if record.get("log") else None  # every rule of this workflow has a log
    return None


def place_of_record(project: Path, name: str) -> Path:
    """The file of a record: the name in base64, cut into folders where it is too long for a file's name."""
    records = project / RECORDS
    encoded, longest = urlsafe_b64encode(name.encode()).decode(), os.pathconf(records, "PC_NAME_MAX") - 1
    pieces = [encoded[i : i + longest] for i in range(0, len(encoded), longest)]
    return records.joinpath(*(f"@{piece}" for piece in pieces[:-1]), pieces[-1])
