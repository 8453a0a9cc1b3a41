"""Roles of matrices by the names that they have in a block, for models that transformers computes.

A name is what stands between a block's number and `.weight`, with `*` for other numbers: `mlp.experts.*.w1`.
Its last part says the role, where the parts before say attention or MLP. What chooses experts and what looks
at an encoder is never pruned. All else has to be named by whoever brings the model.
"""

import re
from collections.abc import Mapping, Set

from memprune.errors import UserError
from memprune.models.roles import MATRIX_GROUPS

OF_ATTENTION = {
    "query_key_value": ("query_key_value", "qkv_proj", "Wqkv", "c_attn"),
    "query": ("q_proj", "query", "query_proj", "Wq"),
    "key": ("k_proj", "key", "key_proj", "Wk"),
    "value": ("v_proj", "value", "value_proj", "Wv"),
    "output": ("o_proj", "out_proj", "c_proj", "dense", "output.dense"),
}
OF_MLP = {
    "gate": ("gate_proj", "w1"),
    "up": ("up_proj", "gate_up_proj", "c_fc", "fc1", "fc_in", "dense_h_to_4h", "intermediate.dense", "w3"),
    "down": ("down_proj", "c_proj", "fc2", "fc_out", "dense_4h_to_h", "output.dense", "w2"),
}
ORDER = (*OF_ATTENTION, *OF_MLP)  # of a block's matrices: of equal weights those of the first go first
ATTENTION = re.compile(r"(?:self_)?(?:attn|attention)(?:\.(?:self|attention))?|self_attention")
MLP = re.compile(r"(?:\w*mlp\w*|ffn|feed_forward|block_sparse_moe)?(?:\.(?:experts\.\*|shared_\w+))?")
NUMBER = re.compile(r"(?<=\.)[0-9]+(?=\.|$)")
CHOOSES = re.compile(r".*(?:^|\.)(?:gate|router(?:\.\w+)?|shared_expert_gate)")
LOOKS_ACROSS = re.compile(r"(?:encoder_attn|cross_?attn|cross_?attention)\..*")
STACKED = "several matrices in one tensor, which can only be left out (null)"


def find_roles(places: Set[str], named: Mapping[str, str | None], stacked: Set[str]) -> dict[str, str]:
    """The roles of matrices by their places in a block, `name.weight`; those that are never pruned have none.

    `named` goes before what is known; None: never pruned. `stacked` are places that hold several matrices at
    once, which must be left out. Raises UserError for a name that is not known, and for one in `named` that
    no block has.
    """
    names = {place: name_of(place) for place in places | stacked}
    if absent := sorted(set(named) - set(names.values())):
        raise UserError(f"roles: found {absent[0]}; the model has {', '.join(sorted(set(names.values())))}")
    has_experts = any("experts" in name for name in names.values())
    unknown, roles = [], {}
    for place, name in names.items():
        if name in named:
            role = named[name]
        elif LOOKS_ACROSS.fullmatch(name) or (has_experts and CHOOSES.fullmatch(name)):
            role = None
        elif place in stacked or (role := known_role(name)) is None:
            unknown.append(name)
            continue
        if role is not None and place in stacked:
            raise UserError(f"roles.{name}: found {role}, allowed: null; it has {STACKED}")
        if role is not None:
            roles[place] = role
    if unknown:
        raise UserError(
            f"roles: found no role for {', '.join(sorted(set(unknown)))}; name them in the model's `roles`: "
            f"{', '.join(MATRIX_GROUPS['all'])}, or null for what is never pruned"
            + (f" ({', '.join(sorted(map(name_of, stacked)))}: {STACKED})" if stacked else "")
        )
    if not roles:
        raise UserError("roles: found no matrix that can be pruned in the model's blocks")
    return roles


def name_of(place: str) -> str:
    """The name of a matrix in messages and in `roles`."""
    return NUMBER.sub("*", place.removesuffix(".weight"))


def known_role(name: str) -> str | None:
    """The role that a name says, None if it says none."""
    for parents, roles in ((ATTENTION, OF_ATTENTION), (MLP, OF_MLP)):
        for role, endings in roles.items():
            for ending in endings:
                before = name.removesuffix(ending)
                if (
                    before != name
                    and parents.fullmatch(before.removesuffix("."))
                    and (not before or before.endswith("."))
                ):
                    return role
    return None
