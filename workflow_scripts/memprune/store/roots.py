"""Roots of a store: which entries each result was made from, so that what no result uses can be deleted.

A store may be shared by experiments, people and hosts. What cannot be seen from here counts as used: the
results of another host, of a project that was moved or is not mounted, of a folder that may not be read.
"""

import hashlib
import os
import socket
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from memprune.disk import UNREADABLE, written_whole
from memprune.store.records import read_record, write_record


@dataclass(frozen=True)
class Root:
    """A result by its path, relative to the store if the store's own is, with its SHA-256 and its entries.

    `source` is the digest of the code that put it there, as far as that is known.
    `project` is the folder that the workflow ran in, and `host` the machine, None for a store inside of the
    project, which is seen wherever its results are.
    """

    result: str
    content: str | None
    entries: list[str]
    project: str | None
    host: str | None
    source: str | None


def write(store: Path, output: Path, content: str, entries: list[str], source: str | None = None) -> None:
    """Write the root of the result at `output`, in place of an earlier one of this host."""
    shared = store.is_absolute()
    host, project = (this_host(), os.getcwd()) if shared else (None, None)
    root = Root(str(seen_from(store, output, store)), content, entries, project, host, source)
    with written_whole(place_of(store, root.result, host)) as temporary:
        write_record(temporary, vars(root))


def of_result(store: Path, output: Path) -> list[Root]:
    """The roots of a result, one of each host that made a result at this path."""
    return of_results(store, [output])[output]


def of_results(store: Path, outputs: Iterable[Path]) -> dict[Path, list[Root]]:
    """The roots of each result, as `of_result` gives them, as far as they are whole."""
    return {
        output: [root for root in map(read, files) if root is not None]
        for output, files in files_of(store, outputs).items()
    }


def files_of(store: Path, outputs: Iterable[Path]) -> dict[Path, list[Path]]:
    """The files of each result's roots, in any order; the store is listed once."""
    files = defaultdict(list)
    for path in (store / "roots").glob("*.json"):
        files[path.name.partition(".")[0]].append(path)
    return {output: files[digest_of(str(seen_from(store, output, store)))] for output in outputs}


def seen_from(store: Path, path: Path, start: Path) -> Path:
    """A path as a link in `start` names it: relative, so that results can be moved with their store.

    A store given by an absolute path stays where it is, so paths to and from it are absolute.
    """
    real = path.parent.resolve() / path.name
    return real if store.is_absolute() else Path(os.path.relpath(real, start.resolve()))


def place_of(store: Path, result: str, host: str | None) -> Path:
    """The file of a result's root."""
    named = "here" if host is None else hashlib.sha256(host.encode()).hexdigest()[:8]
    return store / "roots" / f"{digest_of(result)}.{named}.json"


def digest_of(result: str) -> str:
    """What the files of a result's roots are named by."""
    return hashlib.sha256(result.encode()).hexdigest()[:32]


def this_host() -> str:
    """The name of the machine that a workflow was started on; a SLURM job knows where it was submitted."""
    return os.environ.get("SLURM_SUBMIT_HOST") or socket.gethostname()


def read(path: Path) -> Root | None:
    """The root in a file, None if it is damaged or was just deleted; older ones lack some fields."""
    try:
        known = dict.fromkeys(("content", "project", "host", "source")) | read_record(path)
        return Root(**known)
    except UNREADABLE:
        return None


def all_of(store: Path) -> Iterator[Root]:
    """All roots of a store."""
    found = map(read, (store / "roots").glob("*.json"))
    return (root for root in found if root is not None)


def damaged(store: Path) -> list[Path]:
    """The files of roots that are not as they were written: what their results use is not known."""
    return [path for path in sorted((store / "roots").glob("*.json")) if path.exists() and read(path) is None]


def used(store: Path) -> set[str]:
    """The names of the entries that results were made from which are there, or cannot be seen from here."""
    return {name for root in all_of(store) if is_there(store, root) is not False for name in root.entries}


def unseen(store: Path) -> list[str]:
    """The places, as host:project, of results that cannot be seen from here."""
    return sorted({f"{root.host}:{root.project}" for root in all_of(store) if is_there(store, root) is None})


def is_there(store: Path, root: Root) -> bool | None:
    """Whether a result is there; None where that cannot be seen from here.

    It was surely deleted only where its project can be read and is not empty, as a folder is where nothing is
    mounted, on the host that made it.
    """
    try:
        os.stat(store / root.result)
        return True
    except FileNotFoundError:
        if not store.is_absolute():
            return False
        if root.host != this_host() or root.project is None or not holds_something(root.project):
            return None
        return False
    except OSError:
        return None


def holds_something(folder: str) -> bool:
    """Whether a folder can be read and is not empty."""
    try:
        return bool(os.listdir(folder))
    except OSError:
        return False
