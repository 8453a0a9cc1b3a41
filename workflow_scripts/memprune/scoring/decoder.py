"""The forward pass of a decoder, layer by layer, over texts of one length: no padding, no mask.

One set of functions serves all families: the weights come in one form (see `Layer`), whatever the files
look like. On a CPU that multiplies bfloat16 natively, weights are packed for oneDNN, and activation and
residual are fused into the products: there memory, not arithmetic, is what a pass waits for.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch.nn import functional

from memprune.models.architecture import Architecture, Rotary
from memprune.scoring.frequencies import frequencies_of

# cuDNN plans attention anew, in 50 ms, for each number of texts and each length, and a continuation grows.
torch.backends.cuda.enable_cudnn_sdp(False)


class Linear(NamedTuple):
    """A linear map: weight output × input (packed for oneDNN if `packed`), bias of length output or None."""

    weight: torch.Tensor
    bias: torch.Tensor | None
    packed: bool = False


class Norm(NamedTuple):
    """Weight and bias of a norm, both of length hidden; an RMS norm has no bias, some norms have neither."""

    weight: torch.Tensor | None
    bias: torch.Tensor | None


class Layer(NamedTuple):
    """A decoder block's weights.

    The rows of `query_key_value` are the heads' queries, keys and values in this order. With rotary positions
    the two features that turn together lie side by side in query and key. `query_key_norm` scales these after
    their norm, (query and key heads) × head size; None: they have none. `gate` is None in MLPs without.
    `window` is how many tokens one sees, itself included; None: all before it.
    """

    attention_norm: Norm
    query_key_value: Linear
    query_key_norm: torch.Tensor | None
    output: Linear
    mlp_norm: Norm
    up: Linear
    gate: Linear | None
    down: Linear
    window: int | None


class Embedding(NamedTuple):
    """What tokens enter by: vectors vocabulary × width, learned positions or None, a projection or None."""

    tokens: torch.Tensor
    positions: torch.Tensor | None
    projection: Linear | None


class Head(NamedTuple):
    """What hidden states leave by: the last norm or None, a projection or None, and the map to logits."""

    norm: Norm | None
    projection: Linear | None
    logits: Linear


class Past(NamedTuple):
    """A layer's keys and values of the first `filled` tokens, and room for more.

    `room` is 2 × texts × key heads × tokens × head size.
    """

    room: torch.Tensor
    filled: int


See = Callable[[str, torch.Tensor], object]
POST = {"gelu": ("gelu", "none"), "gelu tanh": ("gelu", "tanh"), "relu": ("relu", ""), "silu": ("swish", "")}


def pack(linear: Linear) -> Linear:
    """A linear map packed for oneDNN where products are in bfloat16 on a CPU that has them."""
    weight = linear.weight
    if weight.device.type != "cpu" or weight.dtype != torch.bfloat16:
        return linear
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return linear
    return Linear(torch.ops.mkldnn._reorder_linear_weight(weight), linear.bias, packed=True)


def apply(
    linear: Linear, x: torch.Tensor, activation: str | None = None, add: torch.Tensor | None = None
) -> torch.Tensor:
    """activation(x · weightᵀ + bias) + add, rows × output; `x` is rows × input, `add` rows × output."""
    if linear.packed:
        fused = torch.ops.mkldnn._linear_pointwise
        if add is not None:
            return fused.binary(x, add, linear.weight, linear.bias, "add")
        name, algorithm = POST[activation] if activation else ("none", "")
        return fused(x, linear.weight, linear.bias, name, [], algorithm)
    y = functional.linear(x, linear.weight, linear.bias)
    if activation:
        y = activate(y, activation)
    return y if add is None else y.add_(add)


def activate(x: torch.Tensor, activation: str) -> torch.Tensor:
    """The activation of a tensor, in place."""
    if activation == "relu":
        return x.relu_()
    if activation == "silu":
        return functional.silu(x, inplace=True)
    return torch.ops.aten.gelu_(x, approximate="tanh" if activation == "gelu tanh" else "none")


def normalise(x: torch.Tensor, norm: Norm, architecture: Architecture) -> torch.Tensor:
    """Layer norm or RMS norm of rows × hidden."""
    if architecture.norm == "rms":
        return functional.rms_norm(x, x.shape[-1:], norm.weight, architecture.epsilon)
    return functional.layer_norm(x, x.shape[-1:], norm.weight, norm.bias, architecture.epsilon)


def unseen(linear: str, rows: torch.Tensor) -> None:
    """Nobody looks at what goes into a linear map."""


def run_layer(
    hidden: torch.Tensor,
    layer: Layer,
    architecture: Architecture,
    rotations: torch.Tensor | None,
    kept: int,
    past: Past | None = None,
    see: See = unseen,
) -> torch.Tensor:
    """One decoder block: texts × tokens × hidden to texts × `kept` × hidden, the last `kept` tokens of each.

    What no later step asks for (in the last layer, all but the scored tokens) is computed up to the
    attention only. `rotations` is what `rotations_of` gives for these tokens, None with learned positions.
    With a `past` the tokens go on from those whose keys and values it has, and theirs are added to it: many
    tokens to an empty one, or one token. `see` is shown what goes into each linear map, rows × input, by the
    map's name in `Layer`; what goes into `up` goes into `gate`, too.
    """
    a = architecture
    texts, tokens, width = hidden.shape
    rows = hidden.reshape(-1, width)
    x = normalise(rows, layer.attention_norm, a) if a.norm_first else rows
    see("query_key_value", x)
    features = apply(layer.query_key_value, x).view(texts, tokens, -1, a.head_size)
    if layer.query_key_norm is not None:
        normalise_heads(features[:, :, : a.heads + a.key_heads], layer.query_key_norm, a)
    x = attend(features, a, rotations, past, layer.window)
    if kept < tokens:
        x, rows = x[:, -kept:], hidden[:, -kept:].reshape(-1, width)
    x = x.reshape(texts * kept, -1)
    see("output", x)
    attended = apply(layer.output, x, add=rows)
    if not a.norm_first:
        attended = normalise(attended, layer.attention_norm, a)
    x = rows if a.parallel else attended
    x = normalise(x, layer.mlp_norm, a) if a.norm_first else x
    see("up", x)
    if layer.gate is None:
        x = apply(layer.up, x, activation=a.activation)
    else:
        x = apply(layer.gate, x, activation=a.activation).mul_(apply(layer.up, x))
    see("down", x)
    hidden = apply(layer.down, x, add=attended)
    if not a.norm_first:
        hidden = normalise(hidden, layer.mlp_norm, a)
    return hidden.view(texts, kept, width)


def normalise_heads(features: torch.Tensor, weight: torch.Tensor, architecture: Architecture) -> None:
    """RMS norm of each head's features (… tokens × heads × head size), in place."""
    features.copy_(functional.rms_norm(features, features.shape[-1:], eps=architecture.epsilon) * weight)


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
    scale = None if a.scaled else 1.0
    attended = functional.scaled_dot_product_attention(
        query, key, value, band, is_causal=causal, scale=scale, enable_gqa=grouped
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


def rotate(features: torch.Tensor, rotations: torch.Tensor) -> None:
    """Turn features (… tokens × heads × 2 · pairs) by their positions, in place: a complex product."""
    numbers = features.float()
    if numbers.stride(-2) % 2:  # heads of an odd size do not lie as complex numbers do
        numbers = numbers.contiguous()
    pairs = torch.view_as_complex(numbers.unflatten(-1, (-1, 2))) * rotations
    features.copy_(torch.view_as_real(pairs).flatten(-2))


def rotations_of(rotary: Rotary, tokens: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """The rotations of positions 0 to `tokens` - 1: complex64, tokens × 1 × pairs.

    Cosine and sine are rounded to the dtype of the computation, as transformers' are.
    """
    frequencies, factor = frequencies_of(rotary)
    angles = torch.outer(torch.arange(tokens).float(), frequencies)
    cosine, sine = ((part * factor).to(dtype).float() for part in (angles.cos(), angles.sin()))
    return torch.complex(cosine, sine)[:, None].to(device)


def embed(
    ids: torch.Tensor, embedding: Embedding, architecture: Architecture, start: int = 0
) -> torch.Tensor:
    """Token ids (texts × tokens) at the positions from `start` on to hidden states, texts × tokens × hidden.

    Of OPT's learned positions the first two rows stand for padding; GPT-2 has no such rows.
    """
    hidden = functional.embedding(ids, embedding.tokens)
    if embedding.projection is not None:
        hidden = apply(embedding.projection, hidden.flatten(0, 1)).unflatten(0, ids.shape)
    if embedding.positions is not None:
        first = len(embedding.positions) - architecture.positions + start
        hidden = hidden + embedding.positions[first : first + ids.shape[1]]
    return hidden


def leave(rows: torch.Tensor, head: Head, architecture: Architecture) -> torch.Tensor:
    """Hidden states (rows × hidden) to what the map to logits takes."""
    if head.norm is not None:
        rows = normalise(rows, head.norm, architecture)
    return rows if head.projection is None else apply(head.projection, rows)
