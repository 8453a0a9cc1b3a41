"""The families of decoders: all in which they differ, one record a family; and their tensors by name.

Names of tensors are those that transformers loads from, no others: a name that it would pass over belongs to
a model that it would fill with random weights. Any tensor must have a part in its family's record, or it is
an error. Embedding, norms and head lie outside the matrices and are never pruned. Keys of config.json, and
their values where they are missing, are those of transformers' classes.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from memprune.errors import UserError

# Buffers that older files hold: causal masks and rotary frequencies.
BUFFERS = re.compile(r"(?:.*\.)?(?:(?:(?:self_)?attn|attention)\.(?:bias|masked_bias)|rotary_emb\.inv_freq)")

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
    activation: Key
    epsilon: Key | float
    inner: str = ""
    heads: tuple[str, ...] = ("lm_head",)
    # How tensors lie in files.
    input_first: bool = False  # a block's matrices are input × output, all others output × input
    interleaved: bool = False  # query, key and value stand together head by head in their matrix
    position_offset: int | None = None  # rows of learned positions before the first one's; None: not learned
    causal_masks: bool = False  # files of the Hub hold one a layer, a byte an entry
    # What config.json says.
    layers: str = COMMON["layers"]
    hidden: str = COMMON["hidden"]
    attention_heads: str = COMMON["attention_heads"]
    positions: str = COMMON["positions"]
    intermediate: str = "intermediate_size"
    widening: int | None = None  # intermediate over hidden size where the file does not say; None: it must
    key_heads: str | None = None  # None: as many as heads
    head_size: str | None = None  # None: the hidden size shared among the heads
    fixed_head_size: str | None = None  # a key that may only say just that
    embedding_width: str | None = None  # None: the hidden size
    padding_is_a_row: bool = False  # `pad_token_id` must be one of the embedding's
    norm: str = "layer"
    norm_first: Key | bool = True
    no_final_norm: Key | bool = False  # of models with norms first; others have none
    attention_bias: Key | bool = True
    mlp_bias: Key | bool = True
    parallel: Key | bool = False
    rotary: RotaryKeys | None = None
    tied: bool = False  # where the file does not say


FAMILIES = {
    "gpt_neox": Family(
        base="gpt_neox.",
        block="layers.",
        matrices={
            "attention.query_key_value": "query_key_value",
            "attention.dense": "output",
            "mlp.dense_h_to_4h": "up",
            "mlp.dense_4h_to_h": "down",
        },
        norms={"input_layernorm": "attention_norm", "post_attention_layernorm": "mlp_norm"},
        around={"embed_in": "embedding", "final_layer_norm": "final_norm"},
        heads=("lm_head", "embed_out"),
        interleaved=True,
        causal_masks=True,
        activation=Key("hidden_act", "gelu"),
        epsilon=Key("layer_norm_eps", 1e-5),
        # transformers takes it for rotary positions alone, which cannot be meant.
        fixed_head_size="head_dim",
        attention_bias=Key("attention_bias", True),
        parallel=Key("use_parallel_residual", True),
        rotary=RotaryKeys("rotary_emb_base", Key("rotary_pct", 0.25), partial=True),
    ),
    "gpt2": Family(
        base="transformer.",
        block="h.",
        matrices={
            "attn.c_attn": "query_key_value",
            "attn.c_proj": "output",
            "mlp.c_fc": "up",
            "mlp.c_proj": "down",
        },
        norms={"ln_1": "attention_norm", "ln_2": "mlp_norm"},
        around={"wte": "embedding", "wpe": "positions", "ln_f": "final_norm"},
        input_first=True,
        position_offset=0,
        activation=Key("activation_function", "gelu_new"),
        epsilon=Key("layer_norm_epsilon", 1e-5),
        layers="n_layer",
        hidden="n_embd",
        attention_heads="n_head",
        positions="n_positions",
        intermediate="n_inner",
        widening=4,
        tied=True,
    ),
    "llama": Family(
        base="model.",
        block="layers.",
        matrices={
            "self_attn.q_proj": "query",
            "self_attn.k_proj": "key",
            "self_attn.v_proj": "value",
            "self_attn.o_proj": "output",
            "mlp.gate_proj": "gate",
            "mlp.up_proj": "up",
            "mlp.down_proj": "down",
        },
        norms={"input_layernorm": "attention_norm", "post_attention_layernorm": "mlp_norm"},
        around={"embed_tokens": "embedding", "norm": "final_norm"},
        activation=Key("hidden_act", "silu"),
        epsilon=Key("rms_norm_eps", 1e-6),
        key_heads="num_key_value_heads",
        head_size="head_dim",
        padding_is_a_row=True,
        norm="rms",
        attention_bias=Key("attention_bias", False),
        mlp_bias=Key("mlp_bias", False),
        rotary=RotaryKeys("rope_theta", Key("partial_rotary_factor", 1.0), partial=False),
    ),
    "opt": Family(
        base="model.",
        inner="decoder.",
        block="layers.",
        matrices={
            "self_attn.q_proj": "query",
            "self_attn.k_proj": "key",
            "self_attn.v_proj": "value",
            "self_attn.out_proj": "output",
            "fc1": "up",
            "fc2": "down",
        },
        norms={"self_attn_layer_norm": "attention_norm", "final_layer_norm": "mlp_norm"},
        around={
            "embed_tokens": "embedding",
            "embed_positions": "positions",
            "project_in": "project_in",
            "project_out": "project_out",
            "final_layer_norm": "final_norm",
        },
        position_offset=2,  # rows for padding
        activation=Key("activation_function", "relu"),
        epsilon=1e-5,
        intermediate="ffn_dim",
        embedding_width="word_embed_proj_dim",
        padding_is_a_row=True,
        norm_first=Key("do_layer_norm_before", True),
        no_final_norm=Key("_remove_final_layer_norm", False),
        attention_bias=Key("enable_bias", True),
        mlp_bias=Key("enable_bias", True),
        tied=True,
    ),
}


@dataclass(frozen=True)
class Part:
    """A tensor's place in a decoder: its layer (None around the blocks), what it is of, weight or bias."""

    layer: int | None
    name: str  # a matrix's role, a norm, or a part around the blocks
    kind: str  # "weight" or "bias"

    def __str__(self) -> str:
        kind = " bias" if self.kind == "bias" else ""
        return f"{self.name}{kind}" if self.layer is None else f"{self.name}{kind} of layer {self.layer}"


def find_parts(family: str, names: Iterable[str]) -> dict[Part, str]:
    """The tensors of a checkpoint by their places in the decoder; buffers have none.

    `family` is the configuration's `model_type`. Raises UserError for a tensor that is not known in it, and
    for two that are the same part.
    """
    table = FAMILIES[family]
    base, inner, block = (re.escape(text) for text in (table.base, table.inner, table.block))
    known = re.compile(rf"(?:{base}){{0,2}}{inner}(?:{block}(0|[1-9][0-9]*)\.)?(.+)\.(weight|bias)")
    heads = re.compile(rf"(?:(?:{base})?{table.heads[0]}|{'|'.join(table.heads)})\.(weight|bias)")
    in_block = table.matrices | table.norms
    parts: dict[Part, str] = {}
    for name in names:
        if BUFFERS.fullmatch(name):
            continue
        if head := heads.fullmatch(name):
            part = Part(None, "head", head[1])
        elif (at := known.fullmatch(name)) and at[1] is None and at[2] in table.around:
            part = Part(None, table.around[at[2]], at[3])
        elif at and at[1] is not None and at[2] in in_block:
            part = Part(int(at[1]), in_block[at[2]], at[3])
        else:
            looked_for = ", ".join([*in_block, *table.around, *table.heads])
            raise UserError(f"{name}: not known in family {family}; looked for: {looked_for}")
        if part in parts:
            raise UserError(f"{part}: found twice, as {parts[part]} and as {name}")
        parts[part] = name
    return parts


def find_matrices(family: str, parts: dict[Part, str]) -> list[tuple[str, int, str]]:
    """The prunable matrices among a checkpoint's tensors, in order: (name, layer, role).

    Raises UserError for a checkpoint without any.
    """
    roles = list(FAMILIES[family].matrices.values())
    found = sorted(
        (part.layer, roles.index(part.name), name)
        for part, name in parts.items()
        if part.name in roles and part.kind == "weight"
    )
    if not found:
        names = ", ".join(FAMILIES[family].matrices)
        raise UserError(f"no prunable matrix in family {family}; looked for: {names}")
    return [(name, layer, roles[role]) for layer, role, name in found]
