"""Which jobs compute in a store now: no result uses yet what they have made so far."""

import atexit
import os
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

from memprune.jobs.orphans import is_alive

LONGEST = 30 * 24 * 3600  # seconds after which a job of another host, which cannot be seen, counts as gone


@cache
def announce(store: Path) -> None:
    """Have the store in an absolute folder know that this process computes in it, until it ends."""
    path = store / "running" / f"{socket.gethostname()}-{os.getpid()}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    atexit.register(path.unlink, missing_ok=True)


def jobs_in(store: Path) -> Iterator[tuple[str, float]]:
    """The jobs that may still compute in a store, as host-process, with the time at which each began.

    What a killed job of this host has left is taken away.
    """
    for path in sorted((store / "running").glob("*-*")):
        host, _, process = path.name.rpartition("-")
        with suppress(FileNotFoundError):  # it ends just now
            began = path.stat().st_mtime
            if host == socket.gethostname():
                lives = process.isdigit() and is_alive(int(process))
            else:
                lives = time.time() - began < LONGEST
            if lives:
                yield path.name, began
            else:
                path.unlink()
