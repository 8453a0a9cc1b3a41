"""Where the checks run, and how much of everything they take."""

from dataclasses import dataclass
from pathlib import Path

import torch

TRAINED = ("tiny-pythia-0.6m", "tiny-pythia-1.2m", "tiny-pythia-3.5m")
# The shape with random weights, by the least memory of the device, in bytes; small cards are slow cards, too.
SHAPES = {40 * 10**9: "1b", 20 * 10**9: "410m", 0: "160m"}
WITH_TF32 = (8, 0)  # the first compute capability


@dataclass(frozen=True)
class Settings:
    """The settings of all checks.

    `samples` are how many members and others of mini-pile. `shape` is a Pythia's, whose rate is measured on
    `texts` texts or on a batch of `batch_tokens` (None: as many as fit), for `seconds` or one call at least,
    and held against a product of two matrices of `square` rows and columns.
    """

    device: str  # cpu or cuda
    folder: Path  # for files that are made on the way
    has_tf32: bool
    trained: tuple[str, ...]  # of resources/tiny-pythia
    samples: tuple[int, int]
    shape: str
    texts: int
    batch_tokens: int | None
    square: int
    seconds: float


def settings_for(device: str, folder: Path) -> Settings:
    """The settings for a class of device, `cpu` or `cuda`."""
    if device == "cpu":
        return Settings(device, folder, False, TRAINED[:1], (24, 6), "14m", 1, 100, 256, 0.0)
    memory = torch.cuda.get_device_properties(0).total_memory
    shape = next(shape for least, shape in SHAPES.items() if memory >= least)
    has_tf32 = torch.cuda.get_device_capability(0) >= WITH_TF32
    return Settings(device, folder, has_tf32, TRAINED, (144, 24), shape, 128, None, 8192, 1.0)
