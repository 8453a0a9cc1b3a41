"""Where each result is from: its content, and the entries of the store that it was made from."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from memprune.disk import sha256_of
from memprune.store import entries, roots
from memprune.store.roots import Root

COLUMNS = ["file", "sha256", "entries", "made"]


def provenance(results: Path, files: Sequence[Path]) -> pd.DataFrame:
    """A row a file of the folder `results`: `file`, relative to it, `sha256`, `entries` and `made`.

    `entries` is a list of names in the store, `made` the time at which the last of them was made, or without
    one the file, in UTC as ISO 8601. What the store does not tell is null: the entries of a file that differs
    from what was recorded of it, and everything of one that is missing.
    """
    recorded = roots.of_results(entries.folder(), files)
    rows = []
    for file in files:
        content, names = origin(file, recorded[file])
        rows.append((str(file.relative_to(results)), content, names, made(file, names or [])))
    return pd.DataFrame(rows, columns=COLUMNS, dtype=object)


def origin(file: Path, recorded: Sequence[Root]) -> tuple[str | None, list[str] | None]:
    """The SHA-256 of a file and the names of the entries that it was made from, by its roots or its link.

    Small files are read; of large ones, what was recorded is taken.
    """
    if not file.exists():
        return None, None
    stored = file.resolve()
    if file.is_symlink() and stored.is_relative_to(store := entries.folder().resolve()):
        name = stored.parent.relative_to(store).as_posix()
        with suppress(OSError, ValueError, LookupError, TypeError):
            return entries.recorded(name)["files"][stored.name], [name]
        return None, None
    if stored.stat().st_size > entries.COPIED:
        root = of_this_host(recorded)
        return (root.content, root.entries) if root else (None, None)
    content = sha256_of(file)
    return content, next((root.entries for root in recorded if root.content == content), None)


def of_this_host(recorded: Sequence[Root]) -> Root | None:
    """The root that was written here, or else the only one; None where it is not known which one is right."""
    here = [root for root in recorded if root.host in (None, roots.this_host())]
    known = here or recorded
    return known[0] if len(known) == 1 else None


def made(file: Path, names: Sequence[str]) -> str | None:
    """When the last of some entries was made, or without one the file, in UTC as ISO 8601."""
    records = [path for name in names if (path := entries.folder() / name / entries.ENTRY).exists()]
    times = [path.stat().st_mtime for path in records or [file] if path.exists()]
    return datetime.fromtimestamp(max(times), UTC).isoformat(timespec="seconds") if times else None
