"""Whether a model's weights stay on the device or stream through it, and how many tokens share one read."""

from itertools import groupby

import psutil
import torch

from memprune.architecture import Architecture
from memprune.families import find_parts
from memprune.manifest import Manifest
from memprune.scoring import LOGIT_ROWS
from memprune.weights import read_tensors

FREE_SHARE = 0.9  # of the free memory, where the configuration names no number


def choose_block_tokens(manifest: Manifest, dtype: torch.dtype, device: torch.device, spec: dict) -> int:
    """0 for a resident model, else how many tokens of hidden states wait while a streamed one's layers pass.

    `spec` has `residency` (auto, resident, streamed), `memory` (GB of this process, None for what is free)
    and `batch_tokens`. With `auto` a model is streamed when it does not fit the device.
    """
    layers = layer_bytes(manifest, dtype)
    working = working_bytes(manifest.architecture, manifest.vocabulary, spec["batch_tokens"], dtype)
    host = free_on_host(spec["memory"])
    free = host if device.type == "cpu" else FREE_SHARE * torch.cuda.mem_get_info(device)[0]
    fits = sum(layers) + working <= free
    if spec["residency"] == "resident" or (spec["residency"] == "auto" and fits):
        return 0
    # On a CPU the layer in use, its working memory and the waiting states share one memory.
    taken = max(layers) + working if device.type == "cpu" else 0
    room = int((host - taken) / (manifest.architecture.hidden * dtype.itemsize))
    return max(room, spec["batch_tokens"], 1)


def layer_bytes(manifest: Manifest, dtype: torch.dtype) -> list[int]:
    """The size of each layer's weights in the computation's dtype, and of each part around the layers."""
    headers = read_tensors(manifest)
    parts = find_parts(manifest.architecture.family, headers)
    place = {name: str(part.layer if part.layer is not None else part.name) for part, name in parts.items()}
    named = sorted(place, key=place.get)
    return [
        sum(headers[name].size * dtype.itemsize for name in names) for _, names in groupby(named, place.get)
    ]


def working_bytes(architecture: Architecture, vocabulary: int, batch_tokens: int, dtype: torch.dtype) -> int:
    """What one batch takes beside the weights: the largest of its intermediate results, and its logits."""
    a = architecture
    tokens = max(batch_tokens, a.positions)
    widest = max(2 * (a.heads + 2 * a.key_heads) * a.head_size, 2 * a.intermediate) + 4 * a.hidden
    return (tokens * widest + LOGIT_ROWS * vocabulary) * dtype.itemsize


def free_on_host(memory: float | None) -> float:
    """Bytes that this process may still take: up to `memory` GB, or of what the machine has free."""
    if memory is None:
        return FREE_SHARE * psutil.virtual_memory().available
    return memory * 10**9 - psutil.Process().memory_info().rss
