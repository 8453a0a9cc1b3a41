"""A model's config.json: the architecture that it asks for, as transformers 5 reads it.

Every key that changes what transformers computes is either read here or allowed at one value only. What is
left out has the default of transformers' class, but for sizes, which must be there.
"""

from memprune.models.architecture import Architecture, Rotary
from memprune.models.families import FAMILIES
from memprune.models.family_fields import COMMON, Family, Key, RotaryKeys
from memprune.models.json_values import LEAST, choice, flag, found, number, size, size_said
from memprune.models.roles import QUERY_KEY_NORMS
from memprune.models.rotary import read_rotary, read_rotary_by_layer
from memprune.models.windows import read_windows

ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu tanh",
    "gelu_fast": "gelu tanh",
    "gelu_accurate": "gelu tanh",
    "gelu_pytorch_tanh": "gelu tanh",
    "gelu_python_tanh": "gelu tanh",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
}
# Settings that change what transformers computes or loads and that we have not: allowed at these values only.
FIXED = {
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "add_cross_attention": False,
    "layer_norm_elementwise_affine": True,
    "is_causal": True,
    "quantization_config": None,
    "transformers_weights": None,
    "fusion_config": None,
    "per_layer_config": None,
    "layer_types": None,
    "sliding_window": None,
    "attention_chunk_size": None,
    "apply_residual_connection_post_layernorm": False,
    "slow_but_exact": False,
    "clip_qkv": None,
    "qk_layernorm": False,
    "attn_logit_softcapping": None,
    "final_logit_softcapping": None,
    "use_bidirectional_attention": (None, False),
}
# Settings of training, of other heads, of outputs and of how (not what) is computed. GPT-2's
# `reorder_and_upcast_attn` acts in transformers' eager attention alone, which is not its default.
NEUTRAL = {
    *("attention_dropout", "hidden_dropout", "classifier_dropout", "dropout", "layerdrop"),
    *("attn_pdrop", "embd_pdrop", "resid_pdrop", "summary_first_dropout", "embed_dropout", "resid_dropout"),
    *("initializer_range", "init_std"),
    *("summary_activation", "summary_proj_to_labels", "summary_type", "summary_use_proj"),
    *("id2label", "label2id", "problem_type"),
    *("bos_token_id", "eos_token_id", "is_decoder", "is_encoder_decoder", "use_cache"),
    *("output_hidden_states", "return_dict", "chunk_size_feed_forward", "pretraining_tp"),
    *("architectures", "dtype", "transformers_version", "reorder_and_upcast_attn"),
}


def read_architecture(config: dict) -> Architecture:
    """The architecture in a configuration; raises UserError for a key that is missing or not supported."""
    name = choice(config, "model_type", FAMILIES)
    family = FAMILIES[name]
    check_fixed(config, family)
    config = family.spell_out(config) if family.spell_out else config
    config = config | {getattr(family, field): config[key] for field, key in COMMON.items() if key in config}
    if family.older_hidden and config.get(family.older_hidden) is not None:
        config = config | {family.hidden: config[family.older_hidden]}
    hidden, heads = size(config, family.hidden), size(config, family.attention_heads)
    if hidden % heads:
        raise found("hidden size", hidden, f"a multiple of the {heads} heads")
    head_size = read_head_size(config, family, hidden // heads)
    key_heads = read_size(config, family.key_heads, heads)
    if heads % key_heads:
        raise found("key heads", key_heads, f"a divisor of the {heads} heads")
    positions, vocabulary = read_size(config, family.positions), size(config, "vocab_size")
    check_padding(config, family, vocabulary)
    norm_first = read_flag(config, family.norm_first)
    width, widening = family.embedding_width, family.widening
    attention_bias, layers = read_flag(config, family.attention_bias), size(config, family.layers)
    rotary, local_rotary = read_rotaries(config, family, head_size, positions)
    return Architecture(
        family=name,
        vocabulary=vocabulary,
        layers=layers,
        hidden=hidden,
        intermediate=read_size(config, family.intermediate, widening and widening * hidden),
        heads=heads,
        key_heads=key_heads,
        head_size=head_size,
        positions=positions,
        embedding_width=size(config, width, hidden) if width else hidden,
        scaled_embedding=family.scaled_embedding,
        norm=family.norm,
        epsilon=read_epsilon(config, family.epsilon),
        norm_first=norm_first,
        final_norm=norm_first and not read_flag(config, family.no_final_norm),
        norm_weights=family.norm_weights,
        block_norms=read_norms(config, family),
        attention_bias=attention_bias,
        output_bias=attention_bias if family.output_bias is None else read_flag(config, family.output_bias),
        mlp_bias=read_flag(config, family.mlp_bias),
        head_bias=family.head_bias,
        parallel=read_flag(config, family.parallel),
        activation=read_activation(config, family),
        clip=read_bound(config, family.clip),
        attention_scale=read_scale(config, family.attention_scale),
        attention_cap=read_bound(config, family.attention_cap),
        logit_cap=read_bound(config, family.logit_cap),
        alibi=family.alibi if read_flag(config, family.has_alibi) else None,
        rotary=rotary,
        local_rotary=local_rotary,
        windows=read_windows(config, family.windows, layers) if family.windows else [None] * layers,
        tied=flag(config, "tie_word_embeddings", family.tied),
    )


def read_flag(config: dict, setting: Key | bool) -> bool:
    """What a key of the configuration says, or what holds for all of a family."""
    return flag(config, *setting) if isinstance(setting, Key) else setting


def read_epsilon(config: dict, setting: Key | float) -> float:
    """What the norms add to a variance."""
    return number(config, *setting, kinds=(float,)) if isinstance(setting, Key) else setting


def read_norms(config: dict, family: Family) -> list[str]:
    """The norms that a block has, by name."""
    if family.block_norms:
        return config[family.block_norms]
    has_head_norms = read_flag(config, family.head_norms)
    return [name for name in family.norms.values() if has_head_norms or name not in QUERY_KEY_NORMS]


def read_activation(config: dict, family: Family) -> str:
    """The activation of the MLP."""
    if isinstance(family.activation, str):
        return ACTIVATIONS[family.activation]
    word = choice(config, family.activation.name, ACTIVATIONS, family.activation.default)
    return "gelu tanh" if word == "gelu" and family.tanh_gelu else ACTIVATIONS[word]


def read_scale(config: dict, setting: Key | float | None) -> float | None:
    """What products of queries and keys are multiplied by; None: one over the root of a head's size."""
    return size_said(config, setting) ** -0.5 if isinstance(setting, Key) else setting


def read_bound(config: dict, setting: Key | None) -> float | None:
    """What bounds some values; None where nothing does."""
    if setting is None or config.get(*setting) is None:
        return None
    return number(config, *setting, least=LEAST, kinds=(float,))


def read_rotaries(
    config: dict, family: Family, head_size: int, positions: int
) -> tuple[Rotary | None, Rotary | None]:
    """The rotary positions of all layers, or of those without a window and of those with one."""
    keys = family.rotary
    if family.alibi and read_flag(config, family.has_alibi):
        return None, None
    if isinstance(keys, RotaryKeys) and keys.local_base is not None:
        return read_rotary_by_layer(config, keys, head_size, positions)
    return (read_rotary(config, keys, head_size, positions) if keys else None), None


def check_fixed(config: dict, family: Family) -> None:
    """Raise UserError for a setting that no decoder of ours has, or none of this family."""
    own = {setting.name for setting in vars(family).values() if isinstance(setting, Key)}
    own |= set() if family.windows is None else {"sliding_window", "layer_types"}
    for key, value in FIXED.items():
        allowed = value if isinstance(value, tuple) else (value,)
        if key not in own and config.get(key, allowed[0]) not in allowed:
            raise found(key, config[key], " or ".join(map(str, allowed)))


def read_size(config: dict, setting: str | Key | None, default: int | None = None) -> int:
    """What a key says; without one the `default`, as where a plain name's is missing or null."""
    if isinstance(setting, Key):
        return size_said(config, setting)
    return size(config, setting, default) if setting else default


def read_head_size(config: dict, family: Family, quotient: int) -> int:
    """The features of a head: the hidden size shared out, but that a family may name them."""
    if family.head_size:
        return read_size(config, family.head_size, quotient)
    fixed = family.fixed_head_size
    if fixed and config.get(fixed) not in (None, quotient):
        raise found(fixed, config[fixed], f"{quotient}, the hidden size shared among the heads")
    return quotient


def check_padding(config: dict, family: Family, vocabulary: int) -> None:
    """Raise UserError for padding outside of the embedding, if transformers does not load with it."""
    padding = config.get("pad_token_id")
    if padding is None or not family.padding_is_a_row:
        return
    if type(padding) is not int or not -vocabulary <= padding < vocabulary:
        raise found("pad_token_id", padding, f"null, or a row of the embedding (0 to {vocabulary - 1})")
