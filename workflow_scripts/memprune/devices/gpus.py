"""The GPUs of a machine: found with nvidia-smi, and leased by file lock, one to a process.

A lease is an flock on a file: the kernel gives it back when its holder ends, however it ends. Users and
workflows of one machine share the locks.
"""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from memprune.errors import UserError

# Not where TMPDIR points, which differs between users and jobs. The folder is not sticky: in a sticky one
# nobody may lock a file that another user made.
LOCKS = Path("/tmp/memprune-gpus")
IN_USE = 0.25  # of a device's memory taken without a lease: a display takes less, another's job more
PAUSE = 5.0  # seconds between two looks at devices that are all busy
QUERY = ("nvidia-smi", "--query-gpu=index,uuid,memory.total,memory.used", "--format=csv,noheader,nounits")
held: list[FileLock] = []  # until the process ends


@dataclass(frozen=True)
class Gpu:
    """A device: its number for nvidia-smi, its UUID, its memory and what is taken of it, in bytes.

    Where nvidia-smi does not tell the memory (of a MIG device, or one that shares the host's) it is 0.
    """

    index: int | None
    uuid: str
    memory: int
    used: int


def find_gpus() -> list[Gpu]:
    """The devices that this process may use: those of the machine, or what CUDA_VISIBLE_DEVICES names.

    None where nvidia-smi is missing or finds none. Its order is that of the numbers in CUDA_VISIBLE_DEVICES.
    """
    if shutil.which(QUERY[0]) is None:
        return []
    done = subprocess.run(QUERY, capture_output=True, text=True, check=False)
    gpus = [parse(line) for line in done.stdout.splitlines()] if done.returncode == 0 else []
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    return gpus if given is None else named(gpus, given)


def parse(line: str) -> Gpu:
    """A line of nvidia-smi's answer; it tells memory in MiB, or why it cannot."""
    index, uuid, *memory = (field.strip() for field in line.split(","))
    return Gpu(int(index), uuid, *(int(mib) * 2**20 if mib.isdecimal() else 0 for mib in memory))


def named(gpus: Sequence[Gpu], given: str) -> list[Gpu]:
    """The devices in a list of numbers and (beginnings of) UUIDs; as in CUDA, an unknown one ends it."""
    chosen: list[Gpu] = []
    for entry in map(str.strip, given.split(",")):
        if entry.startswith("MIG-"):
            found = Gpu(None, entry, 0, 0)
        else:
            found = next((gpu for gpu in gpus if is_named(gpu, entry)), None)
        if found is None or found in chosen:
            break
        chosen.append(found)
    return chosen


def is_named(gpu: Gpu, entry: str) -> bool:
    """Whether an entry of CUDA_VISIBLE_DEVICES means a device."""
    return entry == str(gpu.index) or (entry.startswith("GPU-") and gpu.uuid.startswith(entry))


def lease(needed: int) -> None:
    """Take a free device for the rest of this process, by making it the only one that CUDA sees.

    To be called before CUDA is used. Of the free devices it takes the smallest that has `needed` bytes free,
    else the largest. While all are busy it waits, and says for what. A device that SLURM has set apart for
    this job is used as it is, and so is what CUDA finds where nvidia-smi finds nothing. Leased once, a device
    serves all of the process's models.
    """
    if held or given_by_slurm() == 1:
        return
    told = False
    while gpus := find_gpus():
        leased = next((gpu for gpu in by_preference(gpus, needed) if not is_taken(gpu) and lock(gpu)), None)
        if leased is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = leased.uuid
            print(f"gpu: leased {describe(leased)}", flush=True)
            return
        if not told:
            print(f"gpu: waiting for one of {'; '.join(map(describe, gpus))}", flush=True)
            told = True
        time.sleep(PAUSE)
    print("gpu: nvidia-smi finds none; what CUDA finds is used without a lease", flush=True)


def given_by_slurm() -> int:
    """How many devices SLURM has set apart for this job; among several, its processes take leases."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return len(given.split(",")) if "SLURM_JOB_ID" in os.environ and given not in ("", "NoDevFiles") else 0


def by_preference(gpus: Sequence[Gpu], needed: int) -> list[Gpu]:
    """Devices with `needed` bytes free, the smallest first, then the others, the largest first."""
    fits = {gpu: gpu.memory - gpu.used >= needed for gpu in gpus}
    return sorted(gpus, key=lambda gpu: (not fits[gpu], gpu.memory if fits[gpu] else -gpu.memory))


def is_taken(gpu: Gpu) -> bool:
    """Whether somebody computes on a device, with a lease or without, judged by its memory in use."""
    return gpu.used > IN_USE * gpu.memory > 0


def lock(gpu: Gpu) -> bool:
    """Lock a device until this process ends, unless another one has; raises UserError when it may not."""
    path = LOCKS / f"{re.sub('[^A-Za-z0-9-]', '_', gpu.uuid)}.lock"
    try:
        make_open_folder(LOCKS)
        if LOCKS.is_symlink():  # another user's, to have files made elsewhere
            raise UserError(f"{LOCKS}: found a symbolic link, allowed: a folder; remove it")
        file = FileLock(path, mode=0o666, fallback_to_soft=False)
        file.acquire(blocking=False)
    except Timeout:
        return False
    except OSError as error:
        raise UserError(
            f"{path}: a GPU is leased by locking this file, found: {error.strerror}; "
            f"remove {LOCKS}, or make it and its files writable for all"
        ) from None
    held.append(file)
    return True


def make_open_folder(folder: Path) -> None:
    """Make a folder that all users can write to, if it does not exist."""
    mask = os.umask(0)
    try:
        folder.mkdir(mode=0o777, exist_ok=True)
    finally:
        os.umask(mask)


def describe(gpu: Gpu) -> str:
    """A device in words."""
    number = "" if gpu.index is None else f"{gpu.index} "
    return f"{number}({gpu.uuid}, {gpu.used / 1e9:.1f} of {gpu.memory / 1e9:.1f} GB in use)"
