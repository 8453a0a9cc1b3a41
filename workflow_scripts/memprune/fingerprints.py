"""Content hashes of large files, computed once and kept in the store."""

import hashlib
import re
from pathlib import Path

from memprune import store
from memprune.files import sha256_of, written_whole


def fingerprint(path: str | Path) -> str:
    """The SHA-256 of a file's content, kept by its place, size, inode and times.

    A file of the Hub's cache is a link to a blob that is named by its SHA-256, which is taken as it is.
    """
    real = Path(path).resolve()
    if re.fullmatch(r"[0-9a-f]{64}", real.name):
        return real.name
    about = real.stat()
    identity = f"{real} {about.st_size} {about.st_ino} {about.st_mtime_ns} {about.st_ctime_ns}"
    kept = store.folder() / "fingerprints" / hashlib.sha256(identity.encode()).hexdigest()
    if not kept.exists():
        found = sha256_of(real)
        with store.explained(), written_whole(kept) as temporary:
            temporary.write_text(found)
    return kept.read_text()


def appearance(path: str | Path) -> list:
    """A file's name, size and time of change: what tells apart files too large to be read whole."""
    about = Path(path).stat()
    return [Path(path).name, about.st_size, about.st_mtime_ns]
