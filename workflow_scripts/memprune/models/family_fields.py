"""What families of decoders may differ in: the fields of a record of `memprune.models.families`.

Keys of config.json, and their values where they are missing, are those of transformers' classes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

# Names of sizes that most families have; beside a family's own names, transformers lets these decide.
COMMON = {
    "layers": "num_hidden_layers",
    "hidden": "hidden_size",
    "attention_heads": "num_attention_heads",
    "positions": "max_position_embeddings",
}


class Key(NamedTuple):
    """A key of config.json, and its value where the file has none."""

    name: str
    default: object


@dataclass(frozen=True)
class RotaryKeys:
    """Where config.json names the base and the share of features that turn, around its rotary settings."""

    base: str
    share: Key
    partial: bool  # whether fewer than all features of a head may turn
    even: bool = False  # an odd number of features does not turn
    default_base: float = 10_000.0
    rounded: bool = True  # cosine and sine, to the dtype of the computation
    local_base: Key | float | None = (
        None  # of layers with a window, which have settings of their own; None: not
    )


@dataclass(frozen=True)
class WindowKeys:
    """Where config.json says how many tokens a layer sees, and of which layers that holds.

    `size` may be null: then all layers see all tokens, and so where `switch` is false. `kinds` tells which
    layers have a window: a list of lists with how often each is repeated (GPT-Neo's `attention_types`), if
    the file does not have it `spelled_out`, a word a layer.
    Without it `layer_types` does, a word a layer; where that is missing too, these are the layers from the
    one that `first` names on, or all but each so-many-th as `full_every` says, and `size` may not be null.
    """

    size: Key
    switch: Key | None = None
    first: Key | None = None
    full_every: Key | int | None = None
    kinds: Key | None = None
    spelled_out: str | None = None


@dataclass(frozen=True)
class Family:
    """All in which a family differs from others.

    How tensors are named: `base` is what transformers puts before all names but the head's, and adds or takes
    away once where a file does otherwise; `inner` stands after it, `block` before a block's number. Then the
    roles of a block's matrices, in order, and its norms by their names in the block; the parts around the
    blocks; and the names of the head, the first of which may have the base before it.

    What config.json says of a model: each field is the key that says it, or what holds for all of the family.
    """

    base: str
    block: str
    matrices: dict[str, str]
    norms: dict[str, str]
    around: dict[str, str]
    activation: Key | str
    epsilon: Key | float
    inner: str = ""
    heads: tuple[str, ...] = ("lm_head",)
    # How tensors lie in files.
    input_first: bool = False  # a block's matrices are input × output, all others output × input
    interleaved: bool = False  # a key head's queries, key and value stand together in their matrix
    position_offset: int | None = None  # rows of learned positions before the first one's; None: not learned
    causal_masks: bool = False  # files of the Hub hold one a layer, a byte an entry
    # What config.json says.
    spell_out: Callable[[dict], dict] | None = None  # where keys say it in ways that no field here describes
    layers: str = COMMON["layers"]
    hidden: str = COMMON["hidden"]
    older_hidden: str | None = None  # which decides where it is there
    attention_heads: str = COMMON["attention_heads"]
    positions: str | Key = COMMON["positions"]
    intermediate: str | None = "intermediate_size"
    widening: int | None = None  # intermediate over hidden size where the file does not say; None: it must
    key_heads: str | Key | None = None  # None: as many as heads, as where the file does not say
    head_size: str | Key | None = None  # None: the hidden size shared among the heads
    fixed_head_size: str | None = None  # a key that may only say just that
    embedding_width: str | None = None  # None: the hidden size
    scaled_embedding: bool = False
    padding_is_a_row: bool = False  # `pad_token_id` must be one of the embedding's
    norm: str = "layer"  # the MLP's is the attention's where a block has but one
    norm_weights: bool = True
    block_norms: str | None = None  # a key that tells which of `norms` there are; None: all
    head_norms: Key | bool = True  # whether those of queries and keys that `norms` names are there
    joint_head_norms: bool = False  # of all heads' queries or keys together, or else of each head's
    plus_one: bool = False  # norms scale by one more than their weights, in float32
    norm_first: Key | bool = True
    no_final_norm: Key | bool = False  # of models with norms first; others have none
    attention_bias: Key | bool = True
    output_bias: Key | bool | None = None  # None: as the attention's others
    mlp_bias: Key | bool = True
    head_bias: bool = False
    parallel: Key | bool = False
    clip: Key | None = None  # of queries, keys and values
    attention_scale: Key | float | None = None  # a key: one over the root of what it says
    attention_cap: Key | None = None
    logit_cap: Key | None = None
    alibi: str | None = None  # "added" or "masked"
    has_alibi: Key | bool = True  # and no rotary positions; else the other way round
    tanh_gelu: bool = False  # "gelu", too, is its approximation
    rotary: RotaryKeys | Key | None = None  # a key: how many features of a head turn, with a base of 10,000
    pairs_together: bool = (
        False  # features that turn together lie side by side in files, else half a head apart
    )
    windows: WindowKeys | None = None
    keeps_squares: bool = False  # transformers keeps each token's weight on each for the way back
    tied: bool = False  # where the file does not say
