"""Jobs end with a killed workflow: what they would still write is not what the next run asks for."""

import os
import socket
import sys
import threading
import time

PARENT = "MEMPRUNE_PARENT"  # the process of Snakemake that started a job; not set for a script run by hand
PAUSE = 1.0  # seconds between two looks


def end_with_workflow() -> None:
    """Have this process end soon after the one that `MEMPRUNE_PARENT` names has ended."""
    if parent := os.environ.get(PARENT):
        threading.Thread(target=watch, args=(int(parent),), daemon=True).start()


def watch(parent: int) -> None:
    """Wait for the end of a process, then end this one at once, as if it had been killed too."""
    while is_alive(parent):
        time.sleep(PAUSE)
    print("error: the workflow that started this job is gone", file=sys.stderr, flush=True)
    os._exit(1)


def is_alive(process: int) -> bool:
    """Whether a process of this machine is there."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is another user's
        pass
    return True


def own_name(what: str) -> str:
    """The name of a file or folder of this process."""
    return f"{socket.gethostname()}-{os.getpid()}-{what}"


def process_of(name: str) -> int | None:
    """The process of this machine that a file is named by, see `own_name`; None if by no such."""
    own = f"{socket.gethostname()}-"
    number = name.removeprefix(own).partition("-")[0]
    return int(number) if name.startswith(own) and number.isdigit() else None


def runs_here(name: str) -> bool:
    """Whether a file is named by a process of this machine that is still there."""
    process = process_of(name)
    return process is not None and is_alive(process)
