"""The parts of a decoder by their names in files, family by family.

Architectures are found, not listed: any tensor inside a decoder block must have a part in its family's
table, or it is an error. Embedding, norms and head lie outside the matrices and are never pruned.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from memprune.errors import UserError

# Buffers that older files hold: causal masks and rotary frequencies.
BUFFERS = re.compile(r"(?:.*\.)?(?:(?:self_)?attn|attention)\.(?:bias|masked_bias|rotary_emb\.inv_freq)")


@dataclass(frozen=True)
class Family:
    """What a block's tensors start with; the roles of its matrices, in order, and its norms by their names
    in the block; and the parts around the blocks by the ends of their names.

    GPT-2's Conv1D stores input × output, all others output × input. GPT-NeoX interleaves query, key and
    value per head in one matrix.
    """

    block: str
    matrices: dict[str, str]
    norms: dict[str, str]
    around: dict[str, str]


FAMILIES = {
    "gpt_neox": Family(
        r"layers\.(\d+)\.",
        {
            "attention.query_key_value": "query_key_value",
            "attention.dense": "output",
            "mlp.dense_h_to_4h": "up",
            "mlp.dense_4h_to_h": "down",
        },
        {"input_layernorm": "attention_norm", "post_attention_layernorm": "mlp_norm"},
        {
            "embed_in": "embedding",
            "final_layer_norm": "final_norm",
            "embed_out": "head",
            "lm_head": "head",
        },
    ),
    "gpt2": Family(
        r"h\.(\d+)\.",
        {
            "attn.c_attn": "query_key_value",
            "attn.c_proj": "output",
            "mlp.c_fc": "up",
            "mlp.c_proj": "down",
        },
        {"ln_1": "attention_norm", "ln_2": "mlp_norm"},
        {"wte": "embedding", "wpe": "positions", "ln_f": "final_norm", "lm_head": "head"},
    ),
    "llama": Family(
        r"layers\.(\d+)\.",
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
        {"embed_tokens": "embedding", "norm": "final_norm", "lm_head": "head"},
    ),
    "opt": Family(
        r"layers\.(\d+)\.",
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
            "lm_head": "head",
        },
    ),
}


@dataclass(frozen=True)
class Part:
    """A tensor's place in a decoder: its layer (None around the blocks), what it is of, weight or bias."""

    layer: int | None
    name: str  # a matrix's role, a norm, or a part around the blocks
    kind: str  # "weight" or "bias"


def find_parts(family: str, names: Iterable[str]) -> dict[Part, str]:
    """The tensors of a checkpoint by their places in the decoder; buffers have none.

    `family` is the configuration's `model_type`. Raises UserError for an unknown family and for a tensor
    that is not known in it.
    """
    if family not in FAMILIES:
        raise UserError(f"model_type: found {family!r}; looked for: {', '.join(FAMILIES)}")
    table = FAMILIES[family]
    inside = re.compile(r"(?:.*\.)?" + table.block + r"(.+)\.(weight|bias)")
    around = re.compile(r"(?:.*\.)?(\w+)\.(weight|bias)")
    in_block = table.matrices | table.norms
    parts = {}
    for name in names:
        if BUFFERS.fullmatch(name):
            continue
        if (found := inside.fullmatch(name)) and found[2] in in_block:
            parts[Part(int(found[1]), in_block[found[2]], found[3])] = name
        elif not found and (found := around.fullmatch(name)) and found[1] in table.around:
            parts[Part(None, table.around[found[1]], found[2])] = name
        else:
            known = ", ".join([*in_block, *table.around])
            raise UserError(f"{name}: not known in family {family}; looked for: {known}")
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
