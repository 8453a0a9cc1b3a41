"""How a model computes, read from its configuration: all that a decoder needs beside the weights.

The keys and their defaults are those of transformers' configurations, in its old and new spellings.
"""

from dataclasses import dataclass

from memprune.errors import UserError

ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu tanh",
    "gelu_fast": "gelu tanh",
    "gelu_pytorch_tanh": "gelu tanh",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
}
DEFAULT_ACTIVATION = {"gpt_neox": "gelu", "gpt2": "gelu_new", "llama": "silu", "opt": "relu"}
ROPE_TYPES = ("default", "linear", "llama3")
# Settings that change what a model computes and that no decoder of ours has: allowed at these values only.
REQUIRED = {
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "add_cross_attention": False,
    "layer_norm_elementwise_affine": True,
    "_remove_final_layer_norm": False,
}


@dataclass(frozen=True)
class Rotary:
    """Rotary positions: how many features of each head turn, the base, and the scaling's settings."""

    features: int
    base: float
    scaling: dict


@dataclass(frozen=True)
class Architecture:
    """The sizes and choices of a decoder; `rotary` is None with learned positions."""

    family: str
    layers: int
    hidden: int
    intermediate: int
    heads: int
    key_heads: int
    head_size: int
    positions: int
    norm: str  # "layer" or "rms"
    epsilon: float
    norm_first: bool  # before attention and MLP, or after their sums
    parallel: bool  # attention and MLP of a block read the same hidden state
    activation: str  # "gelu", "gelu tanh", "relu" or "silu"
    rotary: Rotary | None
    tied: bool  # the head is the embedding where the files have none


def read_architecture(config: dict) -> Architecture:
    """The architecture in a configuration; raises UserError for a key that is missing or not supported."""
    for key, value in REQUIRED.items():
        if config.get(key, value) != value:
            raise UserError(f"config.json: {key}: found {config[key]}, allowed: {value}")
    family = config["model_type"]
    hidden = number(config, "hidden_size", "n_embd")
    heads = number(config, "num_attention_heads", "n_head")
    head_size = config.get("head_dim") or hidden // heads
    activation = config.get("hidden_act") or config.get("activation_function") or DEFAULT_ACTIVATION[family]
    if activation not in ACTIVATIONS:
        raise UserError(f"config.json: activation: found {activation!r}; allowed: {', '.join(ACTIVATIONS)}")
    return Architecture(
        family=family,
        layers=number(config, "num_hidden_layers", "n_layer"),
        hidden=hidden,
        intermediate=intermediate_size(config, hidden),
        heads=heads,
        key_heads=config.get("num_key_value_heads") or heads,
        head_size=head_size,
        positions=number(config, "max_position_embeddings", "n_positions"),
        norm="rms" if family == "llama" else "layer",
        epsilon=epsilon_of(config),
        norm_first=config.get("do_layer_norm_before", True),
        parallel=family == "gpt_neox" and config.get("use_parallel_residual", True),
        activation=ACTIVATIONS[activation],
        rotary=read_rotary(config, head_size) if family in ("gpt_neox", "llama") else None,
        tied=config.get("tie_word_embeddings", family in ("gpt2", "opt")),
    )


def number(config: dict, *keys: str) -> int:
    """The first of some keys that the configuration has; raises UserError for none."""
    for key in keys:
        if config.get(key) is not None:
            return int(config[key])
    raise UserError(f"config.json: no {' and no '.join(keys)}")


def intermediate_size(config: dict, hidden: int) -> int:
    """The width of the MLP; GPT-2's is four times the hidden size unless it says otherwise."""
    keys = ("intermediate_size", "ffn_dim", "n_inner")
    return next((int(config[key]) for key in keys if config.get(key)), 4 * hidden)


def epsilon_of(config: dict) -> float:
    """What the norms add to a variance."""
    keys = {"gpt_neox": "layer_norm_eps", "gpt2": "layer_norm_epsilon", "llama": "rms_norm_eps"}
    default = 1e-6 if config["model_type"] == "llama" else 1e-5
    return float(config.get(keys.get(config["model_type"], ""), default))


def read_rotary(config: dict, head_size: int) -> Rotary:
    """The rotary positions of a configuration, in its old or new spelling."""
    settings = {**(config.get("rope_scaling") or {}), **(config.get("rope_parameters") or {})}
    kind = settings.get("rope_type", settings.get("type", "default"))
    if kind not in ROPE_TYPES:
        raise UserError(f"config.json: rope_type: found {kind!r}; allowed: {', '.join(ROPE_TYPES)}")
    neox = config["model_type"] == "gpt_neox"
    share = settings.get("partial_rotary_factor", config.get("rotary_pct", 0.25 if neox else 1.0))
    base = settings.get("rope_theta", config.get("rotary_emb_base", config.get("rope_theta", 10_000)))
    return Rotary(int(head_size * share), float(base), {**settings, "rope_type": kind})
