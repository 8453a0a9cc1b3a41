"""The class of device that scores are computed on, found without torch where there is no CUDA device."""

import os
from pathlib import Path

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
