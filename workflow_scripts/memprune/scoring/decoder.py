"""The forward pass of a decoder, layer by layer, over texts of one length: no padding, no mask.

One set of functions serves all families: the weights come in one form (see `Layer`), whatever the files
look like. On a CPU that multiplies bfloat16 natively, weights are packed for oneDNN, and activation and
residual are fused into the products: there memory, not arithmetic, is what a pass waits for.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch.nn import functional

from memprune.models.architecture import Architecture
from memprune.scoring.attention import Past, attend


class Linear(NamedTuple):
    """A linear map: weight output × input (packed for oneDNN if `packed`), bias of length output or None."""

    weight: torch.Tensor
    bias: torch.Tensor | None
    packed: bool = False


class Norm(NamedTuple):
    """Weight and bias of a norm, of its features each; an RMS norm has no bias, some norms have neither.

    A weight in float32 scales in float32 whatever the dtype of the computation.
    """

    weight: torch.Tensor | None
    bias: torch.Tensor | None


class Layer(NamedTuple):
    """A decoder block's weights.

    The rows of `query_key_value` are the heads' queries, keys and values in this order. With rotary positions
    the two features that turn together lie side by side in query and key. What is None is not there: norms
    before attention and MLP (or after their sums), of queries and keys (of each head's features, or of all
    heads' together, by their length), of what `output` and `down` give, and the `gate` of the MLP.
    `window` is how many tokens one sees, itself included; None: all before it.
    """

    attention_norm: Norm | None
    query_key_value: Linear
    query_norm: Norm | None
    key_norm: Norm | None
    output: Linear
    output_norm: Norm | None
    mlp_norm: Norm | None
    up: Linear
    gate: Linear | None
    down: Linear
    down_norm: Norm | None
    window: int | None


class Embedding(NamedTuple):
    """What tokens enter by: vectors vocabulary × width; learned positions, a projection, a norm, or None."""

    tokens: torch.Tensor
    positions: torch.Tensor | None
    projection: Linear | None
    norm: Norm | None


class Head(NamedTuple):
    """What hidden states leave by: the last norm or None, a projection or None, the map to logits.

    Logits come no further than `cap` from 0.
    """

    norm: Norm | None
    projection: Linear | None
    logits: Linear
    cap: float | None = None


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


def normalise(x: torch.Tensor, norm: Norm | None, architecture: Architecture) -> torch.Tensor:
    """Layer norm or RMS norm of … × features; without a norm, the same."""
    if norm is None:
        return x
    if architecture.norm == "rms":
        own = x.to(norm.weight.dtype)
        return functional.rms_norm(own, x.shape[-1:], norm.weight, architecture.epsilon).to(x.dtype)
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
    attention only. `rotations` is what `rotations_of` gives for these tokens.
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
    if a.clip is not None:
        features.clamp_(-a.clip, a.clip)
    if layer.query_norm is not None:
        normalise_heads(features[:, :, : a.heads], layer.query_norm, a)
        normalise_heads(features[:, :, a.heads : a.heads + a.key_heads], layer.key_norm, a)
    if rotations is not None:
        rotations = rotations[0 if layer.window is None else -1]
    x = attend(features, a, rotations, past, layer.window)
    if kept < tokens:
        x, rows = x[:, -kept:], hidden[:, -kept:].reshape(-1, width)
    x = x.reshape(texts * kept, -1)
    see("output", x)
    attended = add_branch(layer.output, x, rows, layer.output_norm, a)
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
    hidden = add_branch(layer.down, x, attended, layer.down_norm, a)
    if not a.norm_first:
        hidden = normalise(hidden, layer.mlp_norm, a)
    return hidden.view(texts, kept, width)


def normalise_heads(features: torch.Tensor, norm: Norm, architecture: Architecture) -> None:
    """Norm of features (texts × tokens × heads × head size), of each head's or of all heads', in place."""
    together = features.reshape(*features.shape[:2], -1, len(norm.weight))
    features.copy_(normalise(together, norm, architecture).view(features.shape))


def add_branch(
    linear: Linear, x: torch.Tensor, rows: torch.Tensor, norm: Norm | None, architecture: Architecture
) -> torch.Tensor:
    """norm(x · weightᵀ + bias) + rows, rows × hidden."""
    if norm is None:
        return apply(linear, x, add=rows)
    return normalise(apply(linear, x), norm, architecture).add_(rows)


def embed(
    ids: torch.Tensor, embedding: Embedding, architecture: Architecture, start: int = 0
) -> torch.Tensor:
    """Token ids (texts × tokens) at the positions from `start` on to hidden states, texts × tokens × hidden.

    Of OPT's learned positions the first two rows stand for padding; GPT-2 has no such rows.
    """
    hidden = functional.embedding(ids, embedding.tokens)
    if architecture.scaled_embedding:
        hidden *= torch.tensor(architecture.hidden**0.5).to(hidden.dtype)
    if embedding.projection is not None:
        hidden = apply(embedding.projection, hidden.flatten(0, 1)).unflatten(0, ids.shape)
    if embedding.positions is not None:
        first = len(embedding.positions) - architecture.positions + start
        hidden = hidden + embedding.positions[first : first + ids.shape[1]]
    return normalise(hidden, embedding.norm, architecture)


def leave(rows: torch.Tensor, head: Head, architecture: Architecture) -> torch.Tensor:
    """Hidden states (rows × hidden) to what the map to logits takes."""
    if head.norm is not None:
        rows = normalise(rows, head.norm, architecture)
    return rows if head.projection is None else apply(head.projection, rows)


def logits_of(head: Head, rows: torch.Tensor) -> torch.Tensor:
    """The logits of what `leave` gives, rows × vocabulary."""
    logits = apply(head.logits, rows)
    return logits if head.cap is None else logits.div_(head.cap).tanh_().mul_(head.cap)
