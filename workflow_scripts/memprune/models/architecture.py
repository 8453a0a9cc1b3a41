"""How a model computes: all that a decoder needs beside the weights (see `memprune.models.model_config`)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rotary:
    """Rotary positions: what their frequencies are made from (see `memprune.scoring.frequencies`).

    `turned` features of each head turn, the first ones; `features` is what the frequencies' exponents are
    fractions of. `scaling` has `rope_type` and the settings of that type. Cosine and sine are `rounded` to
    the dtype of the computation, or else float32 whatever that is.
    """

    features: int
    turned: int
    base: float
    scaling: dict
    rounded: bool


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
    scaled_embedding: bool  # tokens' vectors are multiplied by the root of `hidden`
    norm: str  # "layer" or "rms"
    epsilon: float
    norm_first: bool  # norms before attention and MLP are that, or else after their sums
    final_norm: bool
    norm_weights: bool  # else norms neither scale nor shift
    block_norms: list[str]  # which a block has, of those that its family names
    attention_bias: bool  # of query, key and value
    output_bias: bool
    mlp_bias: bool
    head_bias: bool
    parallel: bool  # attention and MLP of a block read the same hidden state
    activation: str  # "gelu", "gelu tanh", "relu" or "silu"
    clip: float | None  # queries, keys and values come no further from 0
    attention_scale: float | None  # of products of queries and keys; None: one over the root of a head's size
    attention_cap: float | None  # scaled products come no further than that from 0, by tanh
    logit_cap: float | None  # and so do logits
    alibi: str | None  # "added" or "masked" (see `memprune.scoring.alibi`); None: no such biases
    rotary: Rotary | None
    local_rotary: Rotary | None  # of layers with a window, where it is another
    windows: list[int | None]  # of each layer: how many tokens one sees, itself included; None: all before it
    tied: bool  # the head is the embedding where the files have none

    @property
    def attends_plainly(self) -> bool:
        """Whether no fused kernel computes the attention."""
        return self.attention_cap is not None or self.alibi is not None
