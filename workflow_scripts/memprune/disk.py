"""Files written whole or not at all: under a temporary name beside, then renamed; and damage explained."""

import errno
import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError

from memprune.errors import UserError

# What files that hold something else than they should raise: Arrow's errors are among these, and what their
# sizes and counts ask for may be more than there is.
UNREADABLE = (
    *(OSError, ValueError, LookupError, TypeError, AttributeError, NotImplementedError),
    *(ArithmeticError, MemoryError, RecursionError, SafetensorError),
)
# What says nothing of a file: the machine or its shared disk fails at the moment.
PASSING = (errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ESTALE, errno.ETIMEDOUT)
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # what a disk says that takes no more, whoever writes


def system_error(error: Exception) -> int | None:
    """The system's number of an error; safetensors tells it at the end of its message only."""
    if isinstance(error, OSError):
        return error.errno
    told = re.search(r"\(os error (\d+)\)$", str(error)) if isinstance(error, SafetensorError) else None
    return int(told[1]) if told else None


def place_of(error: Exception) -> str | None:
    """The file that an error names; of two, as where one is copied, the one that was written."""
    named = getattr(error, "filename2", None) or getattr(error, "filename", None)
    return None if named is None else str(named)


@contextmanager
def placed(path: Path, temporary: Path) -> Iterator[None]:
    """Have the errors of a full or read-only disk name `path`, which is written under a temporary name.

    Those of a write name no file, and those of libraries are not the system's.
    """
    try:
        yield
    except Exception as error:
        number, place = system_error(error), place_of(error)
        if number not in FULL or (place and not Path(place).is_relative_to(temporary)):
            raise
        raise OSError(number, os.strerror(number), str(path)) from error


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
        with placed(path, temporary):
            yield temporary
            os.replace(temporary, path)
    finally:
        with suppress(OSError):  # it has gone, or is where nothing can be removed: that is told already
            temporary.unlink()


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
        with placed(path, temporary):
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
