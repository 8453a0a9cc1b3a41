"""The tensors of a checkpoint by name: what each one's place in the decoder is."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from memprune.errors import UserError
from memprune.models.families import FAMILIES

# Buffers that older files hold: causal masks and rotary frequencies.
BUFFERS = re.compile(r"(?:.*\.)?(?:(?:(?:self_)?attn|attention)\.(?:bias|masked_bias)|rotary_emb\.inv_freq)")


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
