"""Rotary positions: how queries and keys turn by where their tokens stand."""

import torch

from memprune.models.architecture import Architecture, Rotary
from memprune.scoring.frequencies import frequencies_of


def rotate(features: torch.Tensor, rotations: torch.Tensor) -> None:
    """Turn features (… tokens × heads × 2 · pairs) by their positions, in place: a complex product."""
    numbers = features.float()
    if numbers.stride(-2) % 2:  # heads of an odd size do not lie as complex numbers do
        numbers = numbers.contiguous()
    pairs = torch.view_as_complex(numbers.unflatten(-1, (-1, 2))) * rotations
    features.copy_(torch.view_as_real(pairs).flatten(-2))


def rotations_of(
    architecture: Architecture, tokens: int, dtype: torch.dtype, device: torch.device
) -> torch.Tensor | None:
    """The rotations of positions 0 to `tokens` - 1: complex64, kinds × tokens × 1 × pairs; None without any.

    Kinds are one, or the layers' without a window and then the others'. Cosine and sine are rounded to the
    dtype of the computation where transformers' are.
    """
    kinds = [rotary for rotary in (architecture.rotary, architecture.local_rotary) if rotary is not None]
    return torch.stack([turns(rotary, tokens, dtype) for rotary in kinds]).to(device) if kinds else None


def turns(rotary: Rotary, tokens: int, dtype: torch.dtype) -> torch.Tensor:
    """The rotations of one kind: complex64, tokens × 1 × pairs."""
    frequencies, factor = frequencies_of(rotary)
    angles = torch.outer(torch.arange(tokens).float(), frequencies)
    cosine, sine = (part * factor for part in (angles.cos(), angles.sin()))
    if rotary.rounded:
        cosine, sine = (part.to(dtype).float() for part in (cosine, sine))
    return torch.complex(cosine, sine)[:, None]
