"""The parts of a decoder by their names in files, family by family.

Names are those that transformers loads from, no others: a name that it would pass over belongs to a model
that it would fill with random weights. Any tensor must have a part in its family's table, or it is an error.
Embedding, norms and head lie outside the matrices and are never pruned.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from memprune.errors import UserError

# Buffers that older files hold: causal masks and rotary frequencies.
BUFFERS = re.compile(r"(?:.*\.)?(?:(?:(?:self_)?attn|attention)\.(?:bias|masked_bias)|rotary_emb\.inv_freq)")


@dataclass(frozen=True)
class Family:
    """How tensors are named: `base` is what transformers puts before all names but the head's, and adds or
    takes away once where a file does otherwise; `inner` stands after it, `block` before a block's number.

    Then the roles of a block's matrices, in order, and its norms by their names in the block; the parts
    around the blocks; and the names of the head, the first of which may have the base before it.

    GPT-2's Conv1D stores input × output, all others output × input. GPT-NeoX interleaves query, key and
    value per head in one matrix.
    """

    base: str
    inner: str
    block: str
    matrices: dict[str, str]
    norms: dict[str, str]
    around: dict[str, str]
    heads: tuple[str, ...] = ("lm_head",)


FAMILIES = {
    "gpt_neox": Family(
        "gpt_neox.",
        "",
        "layers.",
        {
            "attention.query_key_value": "query_key_value",
            "attention.dense": "output",
            "mlp.dense_h_to_4h": "up",
            "mlp.dense_4h_to_h": "down",
        },
        {"input_layernorm": "attention_norm", "post_attention_layernorm": "mlp_norm"},
        {"embed_in": "embedding", "final_layer_norm": "final_norm"},
        ("lm_head", "embed_out"),
    ),
    "gpt2": Family(
        "transformer.",
        "",
        "h.",
        {
            "attn.c_attn": "query_key_value",
            "attn.c_proj": "output",
            "mlp.c_fc": "up",
            "mlp.c_proj": "down",
        },
        {"ln_1": "attention_norm", "ln_2": "mlp_norm"},
        {"wte": "embedding", "wpe": "positions", "ln_f": "final_norm"},
    ),
    "llama": Family(
        "model.",
        "",
        "layers.",
        {
            "self_attn.q_proj": "query",
            "self_attn.k_proj": "key",
            "self_attn.v_proj": "value",
            "self_attn.o_proj": "output",
            "mlp.gate_proj": "gate",
            "mlp.up_proj": "up",
            "mlp.down_proj": "down",
        },
        {"input_layernorm": "attention_norm", "post_attention_layernorm": "mlp_norm"},
        {"embed_tokens": "embedding", "norm": "final_norm"},
    ),
    "opt": Family(
        "model.",
        "decoder.",
        "layers.",
        {
            "self_attn.q_proj": "query",
            "self_attn.k_proj": "key",
            "self_attn.v_proj": "value",
            "self_attn.out_proj": "output",
            "fc1": "up",
            "fc2": "down",
        },
        {"self_attn_layer_norm": "attention_norm", "final_layer_norm": "mlp_norm"},
        {
            "embed_tokens": "embedding",
            "embed_positions": "positions",
            "project_in": "project_in",
            "project_out": "project_out",
            "final_layer_norm": "final_norm",
        },
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
