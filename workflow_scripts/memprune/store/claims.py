"""Which entries running jobs use whose roots are not written yet, so that they are not deleted meanwhile.

A job claims an entry before it looks for it, and lets it go once a root names it. Whoever deletes takes an
entry out of the way before the claims and then the roots are read: one of the two always sees the other.
"""

import time
from pathlib import Path

from memprune.jobs.orphans import own_name, process_of, runs_here

FORGOTTEN = 30 * 24 * 3600  # seconds after which a claim of another host, which cannot be seen, is void
HELD: dict[Path, set[str]] = {}  # the entries of each store that this process claims


def claim(store: Path, name: str) -> None:
    """Have an entry count as used until it is let go or this process has ended."""
    held = HELD.setdefault(own(store), set())
    held.add(name)
    own(store).parent.mkdir(parents=True, exist_ok=True)
    with own(store).open("a") as file:
        file.write(f"{name}\n")


def release(store: Path, names: list[str]) -> None:
    """Let go what roots name now."""
    if held := HELD.get(own(store)):
        held -= set(names)
        if not held:
            own(store).unlink(missing_ok=True)


def own(store: Path) -> Path:
    """The file of what this process claims."""
    return store.absolute() / "claims" / own_name("claims")


def claimed(store: Path) -> set[str]:
    """The names of entries that running jobs use; the claims of those that are gone are deleted."""
    found: set[str] = set()
    for path in (store / "claims").glob("*"):
        try:
            if is_void(path):
                path.unlink()
            else:
                found |= set(path.read_text(encoding="utf-8").splitlines())
        except (OSError, ValueError):
            continue  # let go a moment ago
    return found


def is_void(path: Path) -> bool:
    """Whether the job that claims has ended, as far as that can be seen."""
    if process_of(path.name) is None:
        return time.time() - path.stat().st_mtime > FORGOTTEN
    return not runs_here(path.name)
