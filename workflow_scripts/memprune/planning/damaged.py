"""Results that are not what they should be, although nothing that Snakemake looks at says so.

It asks for names and times. A truncated table, or one flipped bit of it, is as good to it as the whole one,
and nothing reads the last results of the chain again. Of the code it knows what it was when a run began: jobs
that started after an edit have run another.
"""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from memprune.disk import UNREADABLE, sha256_of
from memprune.store import entries, roots
from memprune.store.records import read_record
from memprune.store.roots import Root


def damaged_results(results: Iterable[str]) -> dict[str, str]:
    """Those of some results that exist and are damaged, with the reason in words.

    Copies are read whole and compared with what the store recorded of them. What a link leads to, which may
    be large, is verified by whatever reads it, and here where it was written after its entry was finished.
    """
    paths = [Path(result) for result in results if os.path.exists(result)]
    files = roots.files_of(entries.folder(), paths)

    def why(path: Path) -> str | None:
        if path.is_symlink():
            return None if is_as_stored(path.resolve()) else "damaged in the store"
        recorded = [roots.read(file) for file in files[path]]
        return None if is_as_recorded(path, recorded) else "damaged since it was written"

    with ThreadPoolExecutor() as pool:
        found = dict(zip(map(str, paths), pool.map(why, paths), strict=True))
    return {path: reason for path, reason in found.items() if reason}


def unlink_lost(results: Path) -> list[str]:
    """Delete the links of results whose files the store has lost, and return their paths.

    Snakemake takes such a link for a file that is there, and stops where it asks for its time.
    """
    store = entries.folder().resolve()
    lost = [
        path
        for path in sorted(results.rglob("*"))
        if path.is_symlink() and not path.exists() and path.resolve().is_relative_to(store)
    ]
    for path in lost:
        path.unlink(missing_ok=True)
    return list(map(str, lost))


def results_of_other_code(results: Iterable[str], source_of: Callable[[str], str | None]) -> dict[str, str]:
    """Those of some results that exist and were made by code that was edited while a run went on.

    `source_of(result)` gives the digest of the code that Snakemake recorded of it, None where it has none.
    """
    paths = [Path(result) for result in results if os.path.exists(result)]
    recorded = roots.of_results(entries.folder(), paths)
    found = {}
    for path in paths:
        sources = {root.source for root in recorded[path] if root.source}
        if sources and (own := source_of(str(path))) and own not in sources:
            found[str(path)] = "made by code that was edited while its run went on"
    return found


def is_as_recorded(path: Path, recorded: list[Root | None]) -> bool:
    """Whether a result has a content that was recorded; a record that is damaged says nothing in its favour.

    A result without any record is not the store's, and as good as it is.
    """
    if not recorded:
        return True
    contents = {root.content for root in recorded if root is not None}
    return None in contents or sha256_of(path) in contents


def is_as_stored(stored: Path) -> bool:
    """Whether a file of an entry is older than the entry's record, which is written last, or as it says."""
    record = stored.parent / entries.ENTRY
    with suppress(*UNREADABLE):
        content = read_record(record)["files"][stored.name]
        return stored.stat().st_mtime_ns <= record.stat().st_mtime_ns or content == sha256_of(stored)
    return False
