"""What is deleted from a store: entries that nothing uses, what killed jobs have left, what was set aside."""

import shutil
import time
import uuid
from collections.abc import Iterable
from contextlib import suppress

from memprune.jobs.orphans import own_name, runs_here
from memprune.store import claims, roots
from memprune.store.entries import explained, folder


def used() -> set[str]:
    """The names of the entries that results were made from or that running jobs claim."""
    claimed = claims.claimed(folder())  # before the roots: a job lets go of what a root names
    return claimed | roots.used(folder())


def abandoned(seconds: float) -> list[str]:
    """The names of what killed jobs have left unfinished, and of damaged entries, unchanged for so long."""
    kept = {f"unfinished-{name.rpartition('/')[2]}" for name in claims.claimed(folder())}
    found = []
    for path in (path for kind in ("tmp", "damaged") for path in (folder() / kind).glob("*")):
        with suppress(FileNotFoundError):  # finished a moment ago
            old = time.time() - path.stat().st_mtime > seconds
            if old and path.name not in kept and not runs_here(path.name):
                found.append(str(path.relative_to(folder())))
    return found


def delete(names: Iterable[str]) -> list[str]:
    """Delete entries, but for those that are used by now; the names of those that were deleted.

    They are renamed first, so that no job finds half of one, and none begins to use one unseen.
    """
    doomed = folder() / "tmp" / own_name("deleted")
    with explained():
        doomed.mkdir(parents=True)
        moved = {}
        for name in names:
            with suppress(FileNotFoundError):  # another was faster
                moved[name] = (folder() / name).rename(doomed / uuid.uuid4().hex)
        kept = used() & moved.keys()
        for name in kept:
            with suppress(OSError):  # it was computed again meanwhile
                moved[name].rename(folder() / name)
        shutil.rmtree(doomed)
    return [name for name in moved if name not in kept]
