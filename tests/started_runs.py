"""Runs of the workflow that go on beside a test, and their jobs."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psutil
from forked_jobs import python
from project import entries


def forget_scores(project: Path) -> None:
    """Have all variants to be scored again: neither results nor store know of it."""
    shutil.rmtree(project / "results/tiny/scores")
    for name in entries(project):
        if name.startswith(("memorization/", "perplexity/")):
            shutil.rmtree(project / "results/.store" / name)


def start(folder: Path, *arguments: str, **variables: str) -> subprocess.Popen:
    """Start snakemake on a project, in a process group of its own, which prints into `output.txt` there."""
    command = [*python(), "-m", "snakemake", "--cores", "2", "--configfile", "tiny.yaml", *arguments]
    with (folder / "output.txt").open("w") as output:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | {"HF_HUB_OFFLINE": "1", "COLUMNS": "200", "MEMPRUNE_STORE": ""} | variables,
            stdout=output,
            stderr=output,
            process_group=0,
            # What is started in the background ignores SIGINT, and so do its children.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )


def jobs(project: Path, script: str) -> list[psutil.Process]:
    """The processes that run a script for a workflow of a project."""
    path = str(project / "workflow_scripts" / script)
    return [
        process for process in psutil.process_iter(["cmdline"]) if path in (process.info["cmdline"] or [])
    ]


def wait_for(workflow: subprocess.Popen, project: Path, script: str) -> list[psutil.Process]:
    """The first jobs of a script that a workflow runs."""
    while workflow.poll() is None:
        if found := jobs(project, script):
            return found
        time.sleep(0.02)
    raise AssertionError(f"{script} did not run")
