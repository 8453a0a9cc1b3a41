"""What is known of a model that transformers computes: sizes, and which of its tensors can be changed.

Its configuration is read by transformers, and of its tensors only names and shapes are looked at.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from memprune.errors import UserError, as_one_line
from memprune.models.json_values import found
from memprune.models.model_files import read_config
from memprune.models.outline import Outline
from memprune.models.role_names import ORDER, find_roles
from memprune.models.weights import DTYPES, Tensor

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

# Settings by which transformers would load other weights than those of the files, or kernels from elsewhere.
REFUSED = (
    *("quantization_config", "transformers_weights", "fusion_config"),
    *("attn_implementation", "_attn_implementation", "experts_implementation", "_experts_implementation"),
)
IN_BLOCK = re.compile(r"(.*?)\.(0|[1-9][0-9]*)\.(.+)")


@dataclass(frozen=True)
class BlockTensor:
    """A tensor of a repeated block: its layer, its name in the block, and what it is."""

    layer: int
    place: str
    name: str
    tensor: Tensor


def read_outline(
    folder: str | Path, tensors: Mapping[str, Tensor], roles: Mapping[str, str | None]
) -> tuple[Outline, list[tuple[str, int, str]]]:
    """The outline of a model folder with these tensors, and its prunable matrices: (name, layer, role).

    `roles` names those that no table knows, by the matrices' names in their block (see `find_roles`). Raises
    UserError for a type that transformers has not, and for tensors that cannot be told apart.
    """
    check_settings(read_config(folder))
    config = text_config(transformers_config(folder))
    layers = positive(config, "num_hidden_layers")
    hidden, heads = positive(config, "hidden_size"), positive(config, "num_attention_heads", 1)
    matrices = find_matrices(tensors, layers, roles)
    weights: Counter[str] = Counter()
    for name, _, role in matrices:
        weights[role] += tensors[name].size
    outline = Outline(
        family=config.model_type,
        vocabulary=positive(config, "vocab_size"),
        layers=layers,
        hidden=hidden,
        intermediate=positive(config, "intermediate_size", 4 * hidden),
        heads=heads,
        key_heads=positive(config, "num_key_value_heads", heads),
        head_size=positive(config, "head_dim", max(1, hidden // heads)),
        positions=positive(config, "max_position_embeddings", None),
        parameters=sum(tensor.size for tensor in tensors.values()),
        roles=dict(weights),
        input_first=False,
    )
    return outline, matrices


def check_settings(config: dict) -> None:
    """Raise UserError for a setting, of the whole or of a part, that may only be null."""
    for key, value in config.items():
        if key in REFUSED and value is not None:
            raise found(key, value, None)
        if isinstance(value, dict):
            check_settings(value)


def transformers_config(folder: str | Path) -> "PreTrainedConfig":
    """A model's configuration as transformers reads it; raises UserError where it cannot."""
    from transformers import CONFIG_MAPPING, AutoConfig, __version__

    name = read_config(folder)["model_type"]
    if name not in CONFIG_MAPPING:
        raise found("model_type", name, f"one that transformers {__version__} has (docs/models.md)")
    try:
        return AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except Exception as error:  # whatever a class of theirs makes of a file
        raise UserError(f"{folder}: transformers reads no configuration: {as_one_line(error)}") from None


def text_config(config: "PreTrainedConfig") -> "PreTrainedConfig":
    """The part of a configuration that is of text; raises UserError where that is not one."""
    try:
        return config.get_text_config(decoder=True)
    except ValueError as error:
        raise UserError(f"{config.model_type}: {as_one_line(error)}") from None


def positive(config: "PreTrainedConfig", key: str, default: int | None = 0) -> int | None:
    """A size in a configuration, or the default where it has none; 0: it must have one."""
    try:
        value = getattr(config, key, None)
    except Exception:  # where layers differ, there is no one value
        value = None
    if type(value) is int and value > 0:
        return value
    if default == 0:
        raise UserError(f"{key}: found {value!r:.80}, allowed: a whole number from 1")
    return default


def find_matrices(
    tensors: Mapping[str, Tensor], layers: int, roles: Mapping[str, str | None]
) -> list[tuple[str, int, str]]:
    """The prunable matrices of the repeated blocks, ordered by layer, role and name.

    Raises UserError where the blocks are not to be found, for matrices of unknown role, and for none.
    """
    blocks = find_blocks(tensors, layers)
    places = {own.place for own in blocks if is_matrix(own)}
    by_place = find_roles(places, roles, stacked={own.place for own in blocks if is_stacked(own)})
    matrices = [own for own in blocks if own.place in by_place]
    wrong = [own for own in matrices if own.tensor.dtype not in DTYPES.values()]
    if wrong:
        raise UserError(
            f"{wrong[0].name}: found {wrong[0].tensor.dtype}; allowed: {', '.join(DTYPES.values())}"
        )
    matrices.sort(key=lambda own: (own.layer, ORDER.index(by_place[own.place]), own.name))
    return [(own.name, own.layer, by_place[own.place]) for own in matrices]


def find_blocks(tensors: Mapping[str, Tensor], layers: int) -> list[BlockTensor]:
    """The tensors of the one list of blocks that has as many as the configuration says."""
    lists: dict[str, list[BlockTensor]] = {}
    for name, tensor in tensors.items():
        if at := IN_BLOCK.fullmatch(name):
            lists.setdefault(at[1], []).append(BlockTensor(int(at[2]), at[3], name, tensor))
    whole = [own for own in lists.values() if {one.layer for one in own} == set(range(layers))]
    if len(whole) != 1:
        counts = ", ".join(f"{base} ({len({one.layer for one in own})})" for base, own in lists.items())
        raise UserError(
            f"blocks: found {counts or 'none'}, expected one list of {layers} (num_hidden_layers) alone"
        )
    return whole[0]


def is_matrix(own: BlockTensor) -> bool:
    """Whether a tensor may be the weight of a linear map."""
    return len(own.tensor.shape) == 2 and own.place.endswith(".weight") and min(own.tensor.shape) > 1


def is_stacked(own: BlockTensor) -> bool:
    """Whether a tensor has the weights of several experts."""
    return len(own.tensor.shape) > 2 and "conv" not in own.place and math.prod(own.tensor.shape[1:]) > 1
