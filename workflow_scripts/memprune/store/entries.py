"""A content-addressed store: what was computed once from the same inputs, settings and code is only linked.

An entry is a folder, `{kind}/{hash of all that determines its content}`, with the files of one artefact and
`entry.json`, which records the determinants, each file's SHA-256 and the seconds that computing it took.
Entries are built under a name of their own and renamed, so that jobs and machines may share a store, and are
verified whenever they are read. Which entries a result was made from is recorded in a root (see
`memprune.store.roots`).
"""

import errno
import os
import shutil
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from memprune.disk import FULL, PASSING, UNREADABLE, place_of, sha256_of, system_error, written_whole
from memprune.errors import UserError
from memprune.jobs.orphans import own_name
from memprune.store import claims, roots, source_code
from memprune.store.records import digest, read_record, write_record

ENTRY = "entry.json"
NOT_KINDS = ("tmp", "roots", "claims", "damaged", "fingerprints", "batches")
COPIED = 10**6  # bytes: up to here snakemake compares contents; larger results are links into the store
NO_ROOM = (*FULL, errno.EACCES, errno.EPERM, errno.ENOTDIR)


@dataclass(frozen=True)
class Entry:
    """An entry of the store: name, bytes of its files, and when it was made (seconds since the epoch)."""

    name: str
    size: int
    made: float


def folder() -> Path:
    """The store's folder: `MEMPRUNE_STORE`, else `results/.store`."""
    return Path(os.environ.get("MEMPRUNE_STORE") or "results/.store")


def choose(configured: str) -> str:
    """Have this process and its jobs use the configured store, unless `MEMPRUNE_STORE` names one already."""
    chosen = os.environ["MEMPRUNE_STORE"] = os.path.expanduser(os.environ.get("MEMPRUNE_STORE") or configured)
    return chosen


def provide(
    kind: str, determinants: Mapping, compute: Callable[[Path], None], outputs: Mapping[str, Path]
) -> None:
    """Put the files of one artefact at `outputs` (name in the entry to path), computed only if not stored.

    `determinants` is all that the content depends on, as JSON values; `compute(folder)` writes the files.
    """
    name = f"{kind}/{digest(determinants)}"
    entry, found = obtain(name, determinants, compute)
    print(f"store: {name} {'found' if found else 'computed'}")
    with explained():
        contents = read_record(entry / ENTRY)["files"]
        for file, output in outputs.items():
            place(entry / file, output)
            roots.write(folder(), output, contents[file], [name], determinants.get("source"))
        claims.release(folder(), [name])


def obtain(name: str, determinants: Mapping, compute: Callable[[Path], None]) -> tuple[Path, bool]:
    """The folder of the entry `name` and whether it was there; else `compute(folder)` writes its files.

    Raises UserError when the store cannot be written.
    """
    entry = folder() / name
    with explained():
        claims.claim(folder(), name)
    if is_whole(entry):
        return entry, True
    with explained():
        temporary = folder() / "tmp" / own_name(uuid.uuid4().hex)
        temporary.mkdir(parents=True)
        try:
            started = time.monotonic()
            compute(temporary)
            if file := source_code.edited():
                raise UserError(f"{file}: edited while this job ran, so its result is not kept; run again")
            seconds = round(time.monotonic() - started, 3)
            files = {path.name: sha256_of(path) for path in sorted(temporary.iterdir())}
            about = {"determinants": determinants, "files": files, "seconds": seconds}
            write_record(temporary / ENTRY, about)
            entry.parent.mkdir(parents=True, exist_ok=True)
            move(temporary, entry)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return entry, False


def unfinished(determinants: Mapping) -> Path:
    """The folder in which a job may keep what it goes on from when it was killed; none of it is an entry.

    Jobs of other determinants have others. Deleted by the job at its end, or as abandoned.
    """
    return folder() / "tmp" / f"unfinished-{digest(determinants)}"


def move(temporary: Path, entry: Path) -> None:
    """Give a finished entry its name, unless another job was faster: then its entry is as good."""
    try:
        temporary.rename(entry)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise


def is_whole(entry: Path) -> bool:
    """Whether an entry exists and its files are those that were written; a damaged one is set aside."""
    if not entry.is_dir():
        return False
    try:
        files = read_record(entry / ENTRY)["files"]
        damaged = [file for file, sha256 in files.items() if sha256_of(entry / file) != sha256]
    except UNREADABLE as error:
        if isinstance(error, MemoryError) or system_error(error) in PASSING:
            raise  # the entry may well be whole
        damaged = [str(error)]
    if not damaged:
        return True
    set_aside(entry, damaged[0])
    return False


def set_aside(entry: Path, reason: str) -> None:
    """Take a damaged entry out of use, with a warning."""
    aside = folder() / "damaged" / f"{entry.name}-{uuid.uuid4().hex}"
    with explained(), suppress(FileNotFoundError):  # another job may have been faster
        aside.parent.mkdir(parents=True, exist_ok=True)
        entry.rename(aside)
    print(f"warning: store: {entry} is damaged ({reason}); set aside as {aside}", file=sys.stderr, flush=True)


def content(result: str | Path) -> str:
    """The SHA-256 of a result's content: see `contents`."""
    return contents([result])[0]


def contents(results: Sequence[str | Path]) -> list[str]:
    """The SHA-256 of each result's content, which is that of its record, or the result was damaged since.

    Raises UserError for a damaged one, which is set aside: it is missing then, so the next run makes it. It
    is missing, too, where another job has found the damage a moment ago.
    """
    files = [Path(result) for result in results]
    for file in files:
        if not file.exists():
            raise UserError(f"{file}: gone since this run began; run again to make it")
    recorded = roots.of_results(folder(), [file for file in files if not file.is_symlink()])
    return [
        stored_content(file)
        if file.is_symlink()
        else copied_content(file, {root.content for root in recorded[file] if root.content})
        for file in files
    ]


def stored_content(link: Path) -> str:
    """The SHA-256 of a file of the store that a result is a link to, by its entry's record."""
    stored = link.resolve()
    entry = stored.parent
    if not (entry / ENTRY).exists() and not entry.is_relative_to(folder().resolve()):
        return sha256_of(stored)  # somebody's own link
    if is_whole(entry):
        return read_record(entry / ENTRY)["files"][stored.name]
    link.unlink()
    raise UserError(f"{link}: damaged in the store and set aside; run again to compute it anew")


def copied_content(result: Path, recorded: set[str]) -> str:
    """The SHA-256 of a result, one of those that were recorded of it, if any were."""
    found = sha256_of(result)
    if not recorded or found in recorded:
        return found
    aside = result.with_name(f"{result.name}.damaged")
    result.rename(aside)
    raise UserError(f"{result}: damaged since it was written, and set aside as {aside}; run again to make it")


@contextmanager
def explained() -> Iterator[None]:
    """Turn the errors of a full or read-only disk, or of files that vanish, into a UserError of the store."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        elsewhere = (place := place_of(error)) and not is_inside(place)
        if isinstance(error, FileNotFoundError) and place and not elsewhere:
            raise UserError(f"store {folder()}: deleted from while a job ran ({error}); run again") from None
        if system_error(error) not in NO_ROOM or elsewhere:
            raise
        reason = " ".join(str(error).split())[:160]
        raise UserError(
            f"store {folder()}: cannot be written ({reason}); free space there, or name another folder "
            "with `store` in the configuration or MEMPRUNE_STORE"
        ) from None


def is_inside(path: str | Path) -> bool:
    """Whether a path lies in the store."""
    return Path(path).absolute().is_relative_to(folder().absolute())


def place(stored: Path, output: Path) -> None:
    """Put a stored file at `output`: small files are copied, large ones linked (relative within results)."""
    with written_whole(output) as temporary:
        if stored.stat().st_size <= COPIED:
            shutil.copyfile(stored, temporary)
        else:
            temporary.symlink_to(roots.seen_from(folder(), stored, output.parent))


def record(output: Path, names: list[str], source: str | None = None) -> None:
    """Record that the result at `output`, as it is now, was made from entries, by code with a digest."""
    with explained():
        roots.write(folder(), output, sha256_of(output), names, source)
        claims.release(folder(), names)


def names_in(name: str) -> set[str]:
    """The names in a folder of entries, none if it does not exist."""
    parent = folder() / name
    return {path.name for path in parent.iterdir()} if parent.is_dir() else set()


def all_entries() -> list[Entry]:
    """All entries of the store, by name."""
    found = []
    for path in sorted(folder().glob(f"*/**/{ENTRY}")):
        name = path.parent.relative_to(folder())
        if name.parts[0] not in NOT_KINDS:
            with suppress(FileNotFoundError):  # set aside or deleted a moment ago
                size = sum(file.stat().st_size for file in path.parent.iterdir())
                found.append(Entry(name.as_posix(), size, path.stat().st_mtime))
    return found


def determinants(name: str) -> dict:
    """What an entry's content depends on, as it was recorded."""
    return recorded(name)["determinants"]


def recorded(name: str) -> dict:
    """What an entry records: `determinants`, `files`, and `seconds`, which computing it took.

    Those that older versions have made lack `seconds`.
    """
    return read_record(folder() / name / ENTRY)
