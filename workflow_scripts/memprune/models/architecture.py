"""How a model computes: all that a decoder needs beside the weights (see `memprune.models.model_config`)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rotary:
    """Rotary positions: what their frequencies are made from (see `memprune.scoring.frequencies`).

    `turned` features of each head turn, the first ones; `features` is what the frequencies' exponents are
    fractions of. `scaling` has `rope_type` and the settings of that type.
    """

    features: int
    turned: int
    base: float
    scaling: dict


@dataclass(frozen=True)
class Architecture:
    """The sizes and choices of a decoder; `rotary` is None where nothing turns."""

    family: str
    vocabulary: int  # rows of the input embedding and of the head
    layers: int
    hidden: int
    intermediate: int
    heads: int
    key_heads: int
    head_size: int
    positions: int
    embedding_width: int  # of a token's vector; projected where it is not `hidden`
    norm: str  # "layer" or "rms"
    epsilon: float
    norm_first: bool  # before attention and MLP, or after their sums
    final_norm: bool
    norm_weights: bool  # else norms neither scale nor shift
    query_key_norm: bool  # an RMS norm of each head's queries and keys, before they turn
    attention_bias: bool  # of query, key and value
    output_bias: bool
    mlp_bias: bool
    head_bias: bool
    parallel: bool  # attention and MLP of a block read the same hidden state
    activation: str  # "gelu", "gelu tanh", "relu" or "silu"
    scaled: bool  # products of queries and keys, by the root of a head's size
    rotary: Rotary | None
    windows: list[int | None]  # of each layer: how many tokens one sees, itself included; None: all before it
    tied: bool  # the head is the embedding where the files have none
