"""The device that scores are computed on; its class is found without importing torch or waking a GPU."""

import importlib.util
import runpy
from pathlib import Path
from typing import TYPE_CHECKING

from memprune.devices import gpus
from memprune.errors import UserError

if TYPE_CHECKING:
    import torch

CPU = Path("/proc/cpuinfo")
BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}  # as Linux names them, on x86 and on ARM


def device_class(device: str) -> str:
    """`cpu` or `cuda`: what `evaluation.device` (auto, cpu, cuda) means on this machine."""
    if device != "auto":
        return device
    return "cuda" if gpus.find_gpus() and torch_has_cuda() else "cpu"


def torch_has_cuda() -> bool:
    """Whether the installed torch was built for CUDA.

    Asking torch itself whether there is a device would fix the devices that it sees before one is leased.
    """
    package = Path(importlib.util.find_spec("torch").origin).parent
    return runpy.run_path(str(package / "version.py"))["cuda"] is not None


def fast_type(asked: str | None, device: str) -> str | None:
    """The type, bfloat16 or tf32, that samples are screened in on a class of device, `cpu` or `cuda`.

    None where that was not asked for, or where this machine's products are no faster in it than in float32.
    """
    if asked is None or device == "cuda":
        return asked
    return asked if asked == "bfloat16" and cpu_multiplies_bfloat16() else None


def cpu_multiplies_bfloat16() -> bool:
    """Whether this machine's processor has instructions for it, as far as the system tells."""
    words = CPU.read_text().split() if CPU.exists() else []
    return not BFLOAT16.isdisjoint(words)


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
