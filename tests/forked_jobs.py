"""Jobs that are forked from a process which has imported what they import: a second of each job is saved.

What runs is the project's own code, in a process of its own; only the libraries are there already.
"""

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
CLIENT = HERE / "job_client.py"
NO_JOBS = ("snakemake", "list_store", "recover")


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


def python() -> list[str]:
    """The command of Python, which is forked where `JOB_SERVER` names a server."""
    return [sys.executable, *(["-I", "-S", str(CLIENT)] if "JOB_SERVER" in os.environ else [])]


def let_fork(project: Path) -> None:
    """Have the scripts of a copy of the project forked by the server that `JOB_SERVER` names."""
    for script in (project / "workflow_scripts").glob("*.py"):
        _, rest = script.read_text().split("\n", 1)
        script.write_text(f"#!/usr/bin/env -S python3 -I -S {CLIENT}\n{rest}")
