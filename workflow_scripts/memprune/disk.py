"""Files written whole or not at all: under a temporary name beside, then renamed; and damage explained."""

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from memprune.errors import UserError

# What files that hold something else than they should raise: Arrow's errors are among these, and what their
# sizes and counts ask for may be more than there is.
UNREADABLE = (
    *(OSError, ValueError, LookupError, TypeError, AttributeError, NotImplementedError),
    *(ArithmeticError, MemoryError, RecursionError, SafetensorError),
)


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it takes the place of `path`, else it is removed.

    A killed job so leaves no half file under a real name, and two jobs never write into the same file: not on
    hosts or in containers that share a folder and number their processes alike either.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def readable(path: str | Path) -> Iterator[None]:
    """Turn the errors that reading a damaged or incomplete result raises into a UserError that names it."""
    try:
        yield
    except UNREADABLE as error:
        reason = " ".join(str(error).split())[:160]
        raise UserError(f"{path}: cannot be read ({reason}); delete it and run again") from None


@contextmanager
def folder_written_whole(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; on success it takes the place of `path`, else it is removed.

    What a killed job has left of it is removed first, so that large files do not pile up.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        shutil.rmtree(path, ignore_errors=True)
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def existing_part(path: str | Path) -> Path:
    """The path, absolute, or the nearest folder above it that exists: where it would be made."""
    absolute = Path(path).absolute()
    return next(place for place in (absolute, *absolute.parents) if place.exists())


def sha256_of(path: str | Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
