"""Causal attention of a decoder, by PyTorch's fused kernels where these compute it."""

from typing import NamedTuple

import torch
from torch.nn import functional

from memprune.models.architecture import Architecture
from memprune.scoring.alibi import biases_of
from memprune.scoring.plain_attention import attend_masked, attend_plainly
from memprune.scoring.rotations import rotate

# cuDNN plans attention anew, in 50 ms, for each number of texts and each length, and a continuation grows.
torch.backends.cuda.enable_cudnn_sdp(False)


class Past(NamedTuple):
    """A layer's keys and values of the first `filled` tokens, and room for more.

    `room` is 2 × texts × key heads × tokens × head size.
    """

    room: torch.Tensor
    filled: int


def attend(
    query_key_value: torch.Tensor,
    architecture: Architecture,
    rotations: torch.Tensor | None,
    past: Past | None = None,
    window: int | None = None,
) -> torch.Tensor:
    """Causal attention: texts × tokens × (query, key, value heads) × head size to … × heads × head size.

    With a `window` a token sees so many, itself included.
    """
    a = architecture
    if rotations is not None:
        rotate(query_key_value[:, :, : a.heads + a.key_heads, : 2 * rotations.shape[-1]], rotations)
    query, key, value = query_key_value.transpose(1, 2).split((a.heads, a.key_heads, a.key_heads), dim=1)
    if past is not None:
        key, value = go_on(past, key, value)
    causal = query.shape[2] == key.shape[2]  # else the query is of one token, which sees all before it
    if a.attends_plainly:
        scale = a.attention_scale or a.head_size**-0.5
        bias = biases_of(a, key.shape[2], query) if a.alibi else None
        if a.alibi == "masked":
            return attend_masked(query, key, value, scale, bias).transpose(1, 2)
        return attend_plainly(query, key, value, scale, a.attention_cap, window, bias).transpose(1, 2)
    band = None
    if window is not None and key.shape[2] > window:
        if causal:
            causal, band = False, band_of(key.shape[2], window, key.device)
        else:
            key, value = key[:, :, -window:], value[:, :, -window:]
    grouped = a.key_heads != a.heads
    if grouped and query.device.type != "cpu" and query.dtype == torch.float32:
        # A GPU has one kernel for groups in float32, whose memory grows with the square of the length.
        key, value = (part.repeat_interleave(a.heads // a.key_heads, dim=1) for part in (key, value))
        grouped = False
    attended = functional.scaled_dot_product_attention(
        query, key, value, band, is_causal=causal, scale=a.attention_scale, enable_gqa=grouped
    )
    return attended.transpose(1, 2)


def band_of(tokens: int, window: int, device: torch.device) -> torch.Tensor:
    """Which tokens each one sees, if so many: tokens × tokens, bool."""
    seen = torch.ones(tokens, tokens, dtype=torch.bool, device=device).tril()
    return seen.triu(1 - window)


def go_on(past: Past, key: torch.Tensor, value: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The keys and values of all tokens up to these, which are put behind the past."""
    tokens = key.shape[2]
    assert past.filled == 0 or tokens == 1, (past.filled, tokens)
    end = past.filled + tokens
    for room, own in zip(past.room, (key, value), strict=True):
        room[:, :, past.filled : end] = own
    return past.room[:, :, :, :end].unbind()
