"""Content hashes of large files, computed once and kept in the store."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from memprune.disk import UNREADABLE, sha256_of, written_whole
from memprune.errors import UserError
from memprune.store import entries
from memprune.store.records import digest, read_record, write_record


def fingerprint(path: str | Path) -> str:
    """The SHA-256 of a file's content, kept by its place, size, inode and times.

    The time of change among them cannot be set back, so a file replaced by an older one is hashed anew. A
    file of the Hub's cache is a link to a blob that is named by its SHA-256, which is taken as it is.
    """
    real = Path(path).resolve()
    if real.parent.name == "blobs" and re.fullmatch(r"[0-9a-f]{64}", real.name):
        return real.name
    about = {"file": appearance(real)}
    kept = entries.folder() / "fingerprints" / f"{digest(about)}.json"
    with suppress(*UNREADABLE):  # not kept yet, or damaged
        recorded = read_record(kept)
        if recorded["file"] == about["file"]:
            return recorded["sha256"]
    found = sha256_of(real)
    with entries.explained(), written_whole(kept) as temporary:
        write_record(temporary, about | {"sha256": found})
    return found


def appearance(path: str | Path) -> str:
    """A file's place, size, inode and times: what tells apart files too large to be read whole."""
    real = Path(path).resolve()
    about = real.stat()
    return f"{real} {about.st_size} {about.st_ino} {about.st_mtime_ns} {about.st_ctime_ns}"


def identities(source: str, files: Iterable[str]) -> dict[str, str]:
    """What tells each file of a corpus from any other: its content, or its appearance if it has tokens.

    Files of tokens are too large to be read whole. Raises UserError for a file that cannot be read.
    """
    found = {}
    for file in files:
        try:
            found[file] = appearance(file) if source == "tokens" else fingerprint(file)
        except OSError as error:
            raise UserError(f"{file}: cannot be read ({error.strerror})") from None
    return found


def check_same(source: str, files: Mapping[str, str]) -> None:
    """Raise UserError that names the first of a corpus's files that is not any more what it was."""
    for file, found in identities(source, files).items():
        if found != files[file]:
            raise UserError(f"{file}: changed while it was read; run again")


@contextmanager
def unchanged(contents: Mapping[Path, str]) -> Iterator[None]:
    """Raise UserError that names a file whose content is not that of its SHA-256, before or after the block.

    So what is computed in the block from the files is stored under no other files' name.
    """
    check_unchanged(contents)
    yield
    check_unchanged(contents)


def check_unchanged(contents: Mapping[Path, str]) -> None:
    """Raise UserError that names the first file whose content is not that of its SHA-256."""
    for path, content in contents.items():
        if not path.exists():
            raise UserError(f"{path}: gone since the model was described; run again")
        if fingerprint(path) != content:
            raise UserError(f"{path}: changed since the model was described; run again")
