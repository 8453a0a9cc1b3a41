"""What the machine lacks when a job fails, in one line: room on a disk, a permission, memory."""

import errno
import os
import shutil
from pathlib import Path

from memprune.disk import FULL, place_of, system_error

LEAST_ROOM = 2**16  # bytes, for what a job says
# Of PyTorch, of CUDA, of the loader of shared libraries.
NO_MEMORY = ("can't allocate memory", "Cannot allocate memory", "out of memory", "failed to map segment")
MORE_MEMORY = (
    "run fewer jobs at a time (--cores, or --resources mem_mb=N for all of them), ask for more on a cluster "
    "(--set-resources RULE:mem_mb=N), or set evaluation.batch_tokens lower or evaluation.residency: streamed"
)
MORE_ROOM = "free space there and run again"


def in_one_line(error: Exception, made: str) -> str | None:
    """What an error says of the machine, and what helps; None if it is not the machine's.

    `made` is the result that the job was to make.
    """
    number, place = system_error(error), place_of(error)
    said = " ".join(str(error).split())[:160]
    if isinstance(error, MemoryError) or number == errno.ENOMEM or any(text in said for text in NO_MEMORY):
        return f"{made}: out of memory ({said or type(error).__name__}); {MORE_MEMORY}"
    if number in FULL:
        return f"{place or made}: cannot be written ({os.strerror(number)}); {MORE_ROOM}"
    if isinstance(error, PermissionError) and place:
        return f"{place}: {os.strerror(number)}; allow this user to read and write it and run again"
    return None


def silent_end(log: Path) -> str:
    """Why a job may have ended that did not say it: its log has no room, or it was killed."""
    if log.parent.is_dir() and not os.access(log.parent, os.W_OK):
        return f"{log}: cannot be written; have its folder writable and run again"
    if log.parent.is_dir() and shutil.disk_usage(log.parent).free < LEAST_ROOM:
        return f"{log}: cannot be written, its disk is full; {MORE_ROOM}"
    return f"{log}: its job did not say why it ended, as one that the system kills for memory; {MORE_MEMORY}"
