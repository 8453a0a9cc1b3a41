"""A variant's tensors as PyTorch has them, read slice by slice."""

from collections.abc import Iterable

import numpy as np
import torch
from safetensors import safe_open

from memprune.models.weights import BITS, EXPONENT, SLICE, new_buffer, slices
from memprune.variants.weights_of_variant import Weights


def read_values(weights: Weights, name: str, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """A tensor after its changes, in the computation's dtype on the device, in its shape as stored."""
    tensor = weights.tensors[name]
    values = torch.empty(tensor.size, dtype=dtype, device=device)
    buffer = buffer_for(device)
    for piece in slices(tensor.size):
        bits = weights.read(name, piece, buffer)
        signed = torch.from_numpy(bits.view(f"i{bits.itemsize}"))
        # Sent as stored, and turned into the computation's dtype on the device.
        values[piece] = signed.view(getattr(torch, tensor.dtype)).to(device)
    return values.view(tensor.shape)


def read_stored(weights: Weights, name: str) -> torch.Tensor:
    """A tensor after its changes, in the dtype and shape of its file; any dtype, if it is unchanged."""
    tensor = weights.tensors[name]
    if tensor.dtype in BITS:
        return read_values(weights, name, getattr(torch, tensor.dtype), torch.device("cpu"))
    with safe_open(tensor.file, framework="pt") as file:
        return file.get_tensor(name)


def buffer_for(device: torch.device) -> np.ndarray:
    """Room for a slice of any dtype; for a GPU in pinned memory, from which it copies ten times as fast."""
    if device.type != "cuda":
        return new_buffer()
    return torch.empty(SLICE, dtype=torch.int32, pin_memory=True).numpy().view(np.uint32)


def names_not_finite(weights: Weights, names: Iterable[str]) -> list[str]:
    """The names of those tensors that have a weight that is infinite or not a number."""
    buffer = new_buffer()

    def is_finite(name: str) -> bool:
        tensor = weights.tensors[name]
        exponent = EXPONENT[tensor.dtype]
        pieces = (weights.read(name, piece, buffer) for piece in slices(tensor.size))
        return not any(((bits & exponent) == exponent).any() for bits in pieces)

    return [name for name in names if not is_finite(name)]
