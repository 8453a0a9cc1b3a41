"""Whether a model's weights stay on the device or stream through it, and how many tokens share one read."""

import psutil
import torch

from memprune.devices.footprint import BATCH_TOKENS, FREE_SHARE, layer_bytes, working_bytes
from memprune.models.architecture import Architecture


def choose_block_tokens(
    architecture: Architecture, dtype: torch.dtype, device: torch.device, spec: dict
) -> int:
    """0 for a resident model, else how many tokens of hidden states wait while a streamed one's layers pass.

    `spec` has `residency` (auto, resident, streamed), `memory` (GB of this process on a CPU, None for what is
    free) and `batch_tokens` (None where they are found later). With `auto` a model is streamed when it does
    not fit the device. The layer in use, what a batch takes and the waiting states share the device's memory.
    """
    layers = layer_bytes(architecture, dtype.itemsize)
    batch_tokens = spec["batch_tokens"] or BATCH_TOKENS
    working = working_bytes(architecture, batch_tokens, dtype.itemsize)
    free = free_on_host(spec["memory"]) if device.type == "cpu" else free_on_gpu(device)
    if spec["residency"] == "resident" or (spec["residency"] == "auto" and sum(layers) + working <= free):
        return 0
    room = free - max(layers) - working
    if device.type == "cuda":
        room = room / 2  # the other half is for batches larger than the least
    return max(int(room / (architecture.hidden * dtype.itemsize)), batch_tokens)


def free_on_gpu(device: torch.device) -> float:
    """Bytes of a GPU's free memory that can be counted on."""
    return FREE_SHARE * torch.cuda.mem_get_info(device)[0]


def free_on_host(memory: float | None) -> float:
    """Bytes that this process may still take: up to `memory` GB, or of what the machine has free."""
    if memory is None:
        return FREE_SHARE * psutil.virtual_memory().available
    return memory * 10**9 - psutil.Process().memory_info().rss
