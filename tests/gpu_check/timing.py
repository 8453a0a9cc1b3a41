"""How long work takes on a device, and what it gives."""

import statistics
import time
from collections.abc import Callable
from typing import TypeVar

import torch
from check_settings import Settings

Result = TypeVar("Result")


def timed(work: Callable[[], Result], settings: Settings) -> tuple[Result, float]:
    """What a call gives, and the median of the seconds of several others: as many as the settings' let."""
    result, taken = finished(work, settings), []
    while not taken or sum(taken) < settings.seconds:
        start = time.perf_counter()
        finished(work, settings)
        taken.append(time.perf_counter() - start)
    return result, statistics.median(taken)


def finished(work: Callable[[], Result], settings: Settings) -> Result:
    """What the work gives once the device has done it."""
    result = work()
    if settings.device == "cuda":
        torch.cuda.synchronize()
    return result
