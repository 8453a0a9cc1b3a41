"""Runs of snakemake whose jobs come from the server of jobs, and who is running in them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from forked_jobs import CLIENT, Jobs

LONGEST = 600  # seconds of a run
QUIET = 60  # seconds until the jobs of a killed run have ended


class Run:
    """A run of snakemake in a process group of its own."""

    def __init__(self, jobs: Jobs, folder: Path, store: str, *arguments: str, output: Path) -> None:
        self.jobs, self.output = jobs, output
        before = {process for process, _ in jobs.running()}
        self.process = started(jobs, folder, store, output, "-m", "snakemake", "--cores", "2", *arguments)
        self.snakemake = None
        while self.snakemake is None and self.process.poll() is None:
            found = [p for p, name in jobs.running() if name == "snakemake" and p not in before]
            self.snakemake = found[0] if found else None
            time.sleep(0.01)

    def wait(self) -> tuple[int, str]:
        """The exit status and the output."""
        status = self.process.wait(LONGEST)
        return status, self.output.read_text(errors="replace")

    def kill(self, whom: str, how: signal.Signals) -> str:
        """Send a signal to a job, to snakemake or to all, as far as they are there; who it was."""
        try:
            if whom == "group":
                os.killpg(self.process.pid, how)
                return "the group"
            processes = [(p, name) for p, name in self.jobs.running() if own_group(p) == self.process.pid]
            found = [(p, name) for p, name in processes if (name == "snakemake") == (whom == "snakemake")]
            for process, name in found[:1]:
                os.kill(process, how)
                return name
        except ProcessLookupError:
            pass
        return "nobody"


def own_group(process: int) -> int | None:
    try:
        return os.getpgid(process)
    except ProcessLookupError:
        return None


def started(jobs: Jobs, folder: Path, store: str, output: Path, *words: object) -> subprocess.Popen:
    """Start a script or module of Python through the server of jobs."""
    variables = {"JOB_SERVER": str(jobs.place), "MEMPRUNE_STORE": store, "HF_HUB_OFFLINE": "1"}
    with output.open("w") as file:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", CLIENT, *map(str, words)],
            cwd=folder,
            env=os.environ | variables | {"OMP_NUM_THREADS": "1", "COLUMNS": "200"},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            process_group=0,
        )


def script(jobs: Jobs, folder: Path, store: str, name: str, *words: object) -> tuple[int, str]:
    """Run a script by hand, to its end."""
    output = jobs.log.with_name(f"{name}.txt")
    process = started(jobs, folder, store, output, f"workflow_scripts/{name}.py", *words)
    return process.wait(LONGEST), output.read_text(errors="replace")


def wait_for_quiet(jobs: Jobs) -> None:
    """Wait until nothing runs: jobs end by themselves after a killed workflow."""
    latest = time.monotonic() + QUIET
    while running := jobs.running():
        if time.monotonic() > latest:
            raise TimeoutError(f"still running: {running}")
        time.sleep(0.05)
