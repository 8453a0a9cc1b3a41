"""Runs that are to be disturbed, and what must be as if they had not been: all results, and a whole store."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
from project import entries, run

from memprune.store.records import read_record

RENDERED = "report.html"  # tells when it was rendered
SKIPPED = {"logs", "benchmarks", ".store"}


def result_files(project: Path) -> list[Path]:
    """The files of all results, but of logs and of what was set aside."""
    return [
        path
        for path in sorted((project / "results").rglob("*"))
        if path.is_file() and not SKIPPED & set(path.parts) and not path.name.endswith(".damaged")
    ]


def results(project: Path) -> dict[str, bytes]:
    """The content of every result, but of what tells a time."""
    return {
        str(path.relative_to(project)): path.read_bytes()
        for path in result_files(project)
        if path.name != RENDERED
    }


def damaged_entries(store: Path) -> list[Path]:
    """The files of entries that are not as their entry's record tells."""
    return [
        record.parent / file
        for record in store.rglob("entry.json")
        if "damaged" not in record.relative_to(store).parts
        for file, sha256 in read_record(record)["files"].items()
        if hashlib.sha256((record.parent / file).read_bytes()).hexdigest() != sha256
    ]


def forget_scores(project: Path) -> None:
    """Have all variants to be scored again: neither results nor store know of it."""
    shutil.rmtree(project / "results/tiny/scores")
    for name in entries(project):
        if name.startswith(("memorization/", "perplexity/")):
            shutil.rmtree(project / "results/.store" / name)


def start(folder: Path, *arguments: str, **variables: str) -> subprocess.Popen:
    """Start snakemake on a project, in a session of its own; what it prints goes to `output.txt` there."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "tiny.yaml", *arguments]
    with (folder / "output.txt").open("w") as output:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | {"HF_HUB_OFFLINE": "1", "COLUMNS": "200", "MEMPRUNE_STORE": ""} | variables,
            stdout=output,
            stderr=output,
            start_new_session=True,
            # What is started in the background ignores SIGINT, and so do its children.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )


def jobs(workflow: int, script: str) -> list[psutil.Process]:
    """The processes of Python that run a script for a workflow."""
    found = []
    for process in psutil.process_iter(["cmdline", "environ"]):
        words = process.info["cmdline"] or []
        if any(word.endswith(f"/{script}") for word in words[:2]) and (
            (process.info["environ"] or {}).get("MEMPRUNE_PARENT") == str(workflow)
        ):
            found.append(process)
    return found


def wait_for(workflow: subprocess.Popen, script: str) -> list[psutil.Process]:
    """The first jobs of a script that a workflow runs."""
    while workflow.poll() is None:
        if found := jobs(workflow.pid, script):
            return found
        time.sleep(0.02)
    raise AssertionError(f"{script} did not run")


def assert_all_is_as(expected: dict[str, bytes], project: Path) -> None:
    """Run snakemake to its end; a run after that has nothing to do, and all is as it would be undisturbed."""
    run(project)
    _, computed, last = run(project)
    assert "Nothing to be done" in last
    assert not computed
    assert results(project) == expected
    assert not damaged_entries(project / "results/.store")
