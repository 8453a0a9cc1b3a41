"""The device that scores are computed on; its class is found without torch where there is no CUDA device."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from memprune.errors import UserError

if TYPE_CHECKING:
    import torch

DRIVERS = ("/dev/nvidiactl", "/dev/dxg")  # of Linux, and of Linux under Windows


def device_class(device: str) -> str:
    """`cpu` or `cuda`: what `evaluation.device` (auto, cpu, cuda) means on this machine."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    if device != "auto":
        return device
    if hidden or not any(Path(driver).exists() for driver in DRIVERS):
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def choose_device(device: str) -> "torch.device":
    """The device of a class, `cpu` or `cuda`. Raises UserError when this machine has none of it."""
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise UserError(
            "evaluation.device: found cuda, but this machine has no CUDA device; allowed: auto, cpu"
        )
    return torch.device(device)


def name_of(device: "torch.device") -> str:
    """A device's name, for the record."""
    import torch

    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
