"""ALiBi: attention that is biased towards near tokens, in place of positions (Press et al. 2022)."""

import math

import torch

from memprune.models.architecture import Architecture


def biases_of(architecture: Architecture, tokens: int, like: torch.Tensor) -> torch.Tensor:
    """What is added to products with each token's key: heads × tokens, in dtype and on the device of `like`.

    It grows with the key's position, so that products with keys that a query sees differ by their distance.
    Bloom's is rounded once. Falcon's, for a mask, is made from slopes in bfloat16 whatever the dtype, and
    divided as products are.
    """
    positions = torch.arange(tokens, device=like.device)
    slopes = slopes_of(architecture.heads).to(like.device)[:, None]
    if architecture.alibi == "added":
        return (slopes * positions).to(like.dtype)
    return (slopes.bfloat16() * positions).to(like.dtype) / math.sqrt(architecture.head_size)


def slopes_of(heads: int) -> torch.Tensor:
    """The slope of each head, float32: the powers of 2^(-8 / heads).

    Of heads that are no power of two, those beyond have the odd powers of its root.
    """
    whole = 2 ** (heads.bit_length() - 1)
    slopes = torch.tensor(2 ** (-8 / whole)) ** torch.arange(1, whole + 1)
    between = torch.tensor(2 ** (-4 / whole)) ** (2 * torch.arange(heads - whole) + 1)
    return torch.cat([slopes, between])
