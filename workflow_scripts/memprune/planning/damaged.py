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
from memprune.errors import UserError
from memprune.store import entries, roots
from memprune.store.records import read_record
from memprune.store.roots import Root


def damaged_results(results: Iterable[str], source_of: Callable[[str], str | None]) -> dict[str, str]:
    """Those of some results that exist and are not what they should be, with the reason in words.

    Copies are read whole and compared with what the store recorded of them. What a link leads to, which may
    be large, is verified by whatever reads it, and here where it was written after its entry was finished.
    `source_of(result)` gives the digest of the code that Snakemake recorded of it, None where it has none.
    """
    paths = [Path(result) for result in results if os.path.exists(result)]
    files = roots.files_of(entries.folder(), paths)

    def look(path: Path) -> tuple[list[Root | None], bool]:
        recorded = [roots.read(file) for file in files[path]]
        return recorded, is_whole(path, recorded)

    with ThreadPoolExecutor() as pool:
        looked = list(pool.map(look, paths))
    found = {}
    for path, (recorded, whole) in zip(map(str, paths), looked, strict=True):
        if not whole:
            found[path] = "damaged in the store" if os.path.islink(path) else "damaged since it was written"
        elif is_of_other_code(recorded, source_of(path)):
            found[path] = "made by code that was edited while its run went on"
    return found


def unlink_lost(results: Path) -> list[str]:
    """Delete the links of results whose files a store has lost, and return their paths.

    Snakemake takes such a link for a file that is there, and stops where it asks for its time. Raises
    UserError for a shared store of which nothing is there: then all would be computed again.
    """
    store = entries.folder().resolve()
    lost = [path for path in sorted(results.rglob("*")) if path.is_symlink() and not path.exists()]
    if lost and entries.folder().is_absolute() and not (store / "roots").is_dir():
        raise UserError(
            f"store: found nothing in {store}, into which {len(lost)} results are links ({lost[0]}); mount"
            " it, or delete these links to compute all again"
        )
    for path in lost:
        path.unlink(missing_ok=True)
    return list(map(str, lost))


def is_of_other_code(recorded: list[Root | None], source: str | None) -> bool:
    """Whether a result was put there by other code than a digest tells, as far as both are known."""
    sources = {root.source for root in recorded if root is not None and root.source}
    return bool(source and sources) and source not in sources


def is_whole(path: Path, recorded: list[Root | None]) -> bool:
    """Whether a result is as it was written."""
    return is_as_stored(path.resolve()) if path.is_symlink() else is_as_recorded(path, recorded)


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
