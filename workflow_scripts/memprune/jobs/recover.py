"""What a crash leaves in the folder of a workflow: locks, half files and records that cannot be read."""

import json
import os
import shutil
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import psutil

from memprune.errors import UserError
from memprune.jobs.orphans import process_of, runs_here

HALF = ".*.tmp"  # the names that `memprune.disk` gives to what it has not finished
RECORDS = Path(".snakemake/metadata")
LOCKS = Path(".snakemake/locks")


def recover(results: Path, store: Path) -> dict[str, int]:
    """Take away what a crash has left in this folder, its results and its store; how much of each kind.

    No result and no entry of the store is touched. Raises UserError while a workflow runs here.
    """
    if running := workflows_here():
        raise UserError(
            f"{Path.cwd()}: a workflow runs here (process {', '.join(map(str, running))}); end it first"
        )
    found = {
        "locks": list(LOCKS.glob("*")),
        "half files": list(half_files(results)),
        "records of Snakemake that cannot be read": [path for path in records() if not is_json(path)],
        "unfinished entries of the store": list(abandoned(store)),
    }
    for paths in found.values():
        for path in paths:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    return {kind: len(paths) for kind, paths in found.items()}


def workflows_here() -> list[int]:
    """The processes of this machine, but for this one's own, that run snakemake in this folder."""
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter(["pid", "cwd", "cmdline"]):
        command = " ".join(process.info["cmdline"] or [])
        if process.info["cwd"] == str(Path.cwd()) and process.pid not in own and "snakemake" in command:
            found.append(process.pid)
    return found


def half_files(results: Path) -> Iterator[Path]:
    """Files and folders that were being written: the store's own are not among them."""
    for folder, folders, files in os.walk(results):
        folders[:] = [name for name in folders if name != ".store"]
        for name in [*folders, *files]:
            if fnmatch(name, HALF):
                yield Path(folder, name)


def records() -> Iterator[Path]:
    """The files of Snakemake's records of results."""
    return (path for path in RECORDS.rglob("*") if path.is_file())


def is_json(path: Path) -> bool:
    """Whether a file holds a JSON object."""
    try:
        return isinstance(json.loads(path.read_text(encoding="utf-8")), dict)
    except ValueError:
        return False


def abandoned(store: Path) -> Iterator[Path]:
    """The folders in which jobs of this machine that are gone were computing entries."""
    for path in (store / "tmp").glob("*"):
        if process_of(path.name) is not None and not runs_here(path.name):
            yield path
