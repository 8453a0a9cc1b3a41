"""Whether a store and the results made from it are consistent, while nothing runs."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow.parquet as pq

from memprune.disk import UNREADABLE, sha256_of
from memprune.store import roots
from memprune.store.entries import ENTRY, NOT_KINDS
from memprune.store.records import read_record


class Damages:
    """What was damaged on purpose: such files may be as they were left, and their entries may be lost."""

    def __init__(self, store: Path) -> None:
        self.store, self.left, self.entries = store.resolve(), {}, set()

    def note(self, path: Path) -> None:
        """Remember a file as it has just been damaged or deleted."""
        real = path.resolve()
        self.left[real] = sha256_of(real) if real.exists() else None
        if real.is_relative_to(self.store):
            self.entries.add(str(real.parent.relative_to(self.store)))

    def is_left(self, path: Path) -> bool:
        """Whether a file is as it was damaged."""
        real = path.resolve()
        return real in self.left and self.left[real] == (sha256_of(real) if real.exists() else None)

    def are_left_in(self, folder: Path) -> bool:
        """Whether any file of a folder is as it was damaged."""
        return any(path.parent == folder.resolve() and self.is_left(path) for path in self.left)


def violations(store: Path, results: Iterable[Path], damages: Damages) -> list[str]:
    """What is wrong with the store and these results, other than what was damaged on purpose."""
    found, whole, known = [], set(), set()
    for folder in entry_folders(store):
        name = str(folder.relative_to(store))
        try:
            files = read_record(folder / ENTRY)["files"]
            bad = [file for file, content in files.items() if sha256_of(folder / file) != content]
            extra = {path.name for path in folder.iterdir()} - {*files, ENTRY}
            known |= set(files.values())
        except UNREADABLE as error:
            bad, extra = [str(error)], set()
        if not bad and not extra:
            whole.add(name)
            damages.entries.discard(name)
        elif not damages.are_left_in(folder):
            found.append(f"entry {name} is not whole: {bad or sorted(extra)}")
    return (
        found + list(wrong_roots(store, whole, damages)) + list(half_results(store, results, known, damages))
    )


def entry_folders(store: Path) -> list[Path]:
    """The folders of entries, and what stands in their place."""
    kinds = [kind for kind in store.glob("*") if kind.is_dir() and kind.name not in NOT_KINDS]
    return sorted({path.parent for kind in kinds for path in kind.rglob("*") if path.is_file()})


def wrong_roots(store: Path, whole: set[str], damages: Damages) -> Iterator[str]:
    """Roots that are half, and those of present results whose entries are not in the store."""
    for path in sorted((store / "roots").glob("*.json")):
        root = roots.read(path)
        if root is None:
            if not damages.is_left(path):
                yield f"root {path.name} is not whole"
            continue
        result = store / root.result
        if result.exists() and sha256_of(result) == root.content:
            for name in root.entries:
                if name not in whole and name not in damages.entries:
                    yield f"{result.resolve()} uses entry {name}, which is not in the store"


def half_results(store: Path, results: Iterable[Path], known: set[str], damages: Damages) -> Iterator[str]:
    """Results that are neither what was recorded, nor an entry's file, nor anything that can be read."""
    for path in results:
        if path.is_symlink() and not path.exists():
            name = str(path.parent.joinpath(path.readlink()).resolve().parent.relative_to(store.resolve()))
            if name not in damages.entries:
                yield f"{path} links to entry {name}, which is not in the store"
            continue
        content = sha256_of(path)
        recorded = {root.content for root in roots.of_result(store, path)}
        if content not in recorded | known and not damages.is_left(path) and not is_readable(path):
            yield f"{path} is half a file"


def is_readable(path: Path) -> bool:
    """Whether a file without a record, whose job was killed at its end, is whole by its form."""
    try:
        if path.suffix == ".parquet":
            pq.read_table(path)
        elif path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".html":
            return path.read_text().rstrip().endswith("</html>")
        else:
            return False
    except UNREADABLE:
        return False
    return True


def unrecorded(store: Path, results: Iterable[Path]) -> list[str]:
    """Results of a finished run whose roots are lost or of another content."""
    return [
        f"{path} has no record in the store"
        for path in results
        if sha256_of(path) not in {root.content for root in roots.of_result(store, path)}
    ]
