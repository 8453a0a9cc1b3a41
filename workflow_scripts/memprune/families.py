"""Find a model's prunable matrices: the linear weights inside its decoder blocks, by their names in files.

Architectures are found, not listed: any 2-D weight inside a decoder block must have a role in its family's
table, or it is an error. Embedding, norms and head lie outside the blocks and are never pruned.
"""

import re

from memprune.errors import UserError

# Per family: what a block's tensors start with, then each matrix's name in the block, in order, and its role.
# GPT-2's Conv1D stores input × output, all others output × input. GPT-NeoX interleaves query, key and value
# per head in one matrix.
FAMILIES = {
    "gpt_neox": (
        r"layers\.(\d+)\.",
        {
            "attention.query_key_value.weight": "query_key_value",
            "attention.dense.weight": "output",
            "mlp.dense_h_to_4h.weight": "up",
            "mlp.dense_4h_to_h.weight": "down",
        },
    ),
    "gpt2": (
        r"h\.(\d+)\.",
        {
            "attn.c_attn.weight": "query_key_value",
            "attn.c_proj.weight": "output",
            "mlp.c_fc.weight": "up",
            "mlp.c_proj.weight": "down",
        },
    ),
    "llama": (
        r"layers\.(\d+)\.",
        {
            "self_attn.q_proj.weight": "query",
            "self_attn.k_proj.weight": "key",
            "self_attn.v_proj.weight": "value",
            "self_attn.o_proj.weight": "output",
            "mlp.gate_proj.weight": "gate",
            "mlp.up_proj.weight": "up",
            "mlp.down_proj.weight": "down",
        },
    ),
    "opt": (
        r"layers\.(\d+)\.",
        {
            "self_attn.q_proj.weight": "query",
            "self_attn.k_proj.weight": "key",
            "self_attn.v_proj.weight": "value",
            "self_attn.out_proj.weight": "output",
            "fc1.weight": "up",
            "fc2.weight": "down",
        },
    ),
}


def find_matrices(family: str, shapes: dict[str, tuple[int, ...]]) -> list[tuple[str, int, str]]:
    """The prunable matrices among a checkpoint's tensors, in order: (name, layer, role).

    `family` is the configuration's `model_type`, `shapes` maps tensor names to shapes. Raises UserError for
    an unknown family, a matrix in a block without a role, and a checkpoint without any matrix.
    """
    if family not in FAMILIES:
        raise UserError(f"model_type: found {family!r}; looked for: {', '.join(FAMILIES)}")
    block, roles = FAMILIES[family]
    pattern = re.compile(r"(?:^|.*\.)" + block + r"(.+)")
    places = {name: place for place, name in enumerate(roles)}
    found = []
    for name, shape in shapes.items():
        inside = pattern.fullmatch(name)
        if inside is None or len(shape) != 2 or not name.endswith(".weight"):
            continue
        layer, matrix = int(inside[1]), inside[2]
        if matrix not in roles:
            raise UserError(f"{name}: no role is known in family {family}; looked for: {', '.join(roles)}")
        found.append((layer, places[matrix], name, roles[matrix]))
    if not found:
        raise UserError(f"no prunable matrix in family {family}; looked for: {', '.join(roles)} in {block}")
    return [(name, layer, role) for layer, _, name, role in sorted(found)]
