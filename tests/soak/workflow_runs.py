"""Runs of snakemake whose jobs come from the server of jobs, and who is running in them."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
CLIENT = HERE / "job_client.py"
LONGEST = 600  # seconds of a run
QUIET = 60  # seconds until the jobs of a killed run have ended


class Jobs:
    """The server that all jobs are forked by, and its log."""

    def __init__(self, folder: Path) -> None:
        self.place, self.log = folder / "server", folder / "jobs.log"
        self.log.touch()
        self.known, self.offset = [], 0
        threads = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        self.process = subprocess.Popen(
            [sys.executable, HERE / "job_server.py", self.place, self.log], env=os.environ | threads
        )
        while not self.place.exists():
            if self.process.poll() is not None:
                raise RuntimeError("the server of jobs has ended")
            time.sleep(0.1)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()

    def lines(self) -> list[list[str]]:
        """The words of each line of the log; each is read once."""
        with self.log.open() as file:
            file.seek(self.offset)
            new, end, _ = file.read().rpartition("\n")
        self.offset += len(new + end)
        self.known += [line.split() for line in new.splitlines()]
        return self.known

    def running(self) -> list[tuple[int, str]]:
        """The process and name of each that has begun and has not ended."""
        found = {}
        for what, process, name, *_ in self.lines():
            if what == "start":
                found[int(process)] = name
            else:
                found.pop(int(process), None)
        return list(found.items())

    def begun(self) -> Counter:
        """How many of each name have begun."""
        return Counter(name for what, _, name, *_ in self.lines() if what == "start")

    def ended(self) -> Counter:
        """How many jobs of rules have ended, by exit status."""
        lines = [line for line in self.lines() if line[0] == "end"]
        return Counter(int(line[3]) for line in lines if line[2] not in NO_JOBS)


NO_JOBS = ("snakemake", "list_store", "recover")


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
    variables = {"SOAK_SERVER": str(jobs.place), "MEMPRUNE_STORE": store, "HF_HUB_OFFLINE": "1"}
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
