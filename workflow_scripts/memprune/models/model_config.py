"""A model's config.json: the architecture that it asks for, as transformers 5 reads it.

Every key that changes what transformers computes is either read here or allowed at one value only. What is
left out has the default of transformers' class, but for sizes, which must be there.
"""

from memprune.models.architecture import Architecture
from memprune.models.families import FAMILIES
from memprune.models.family_fields import COMMON, Family, Key
from memprune.models.json_values import choice, flag, found, number, size
from memprune.models.rotary import read_rotary
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
    "clip_qkv": None,
    "qk_layernorm": False,
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
    config = config | {getattr(family, field): config[key] for field, key in COMMON.items() if key in config}
    hidden, heads = size(config, family.hidden), size(config, family.attention_heads)
    if hidden % heads:
        raise found("hidden size", hidden, f"a multiple of the {heads} heads")
    head_size = read_head_size(config, family, hidden // heads)
    key_heads = size(config, family.key_heads, heads) if family.key_heads else heads
    if heads % key_heads:
        raise found(family.key_heads, key_heads, f"a divisor of the {heads} heads")
    positions, vocabulary = size(config, family.positions), size(config, "vocab_size")
    check_padding(config, family, vocabulary)
    norm_first = read_flag(config, family.norm_first)
    width, widening = family.embedding_width, family.widening
    attention_bias, layers = read_flag(config, family.attention_bias), size(config, family.layers)
    return Architecture(
        family=name,
        vocabulary=vocabulary,
        layers=layers,
        hidden=hidden,
        intermediate=size(config, family.intermediate, widening and widening * hidden),
        heads=heads,
        key_heads=key_heads,
        head_size=head_size,
        positions=positions,
        embedding_width=size(config, width, hidden) if width else hidden,
        norm=family.norm,
        epsilon=read_epsilon(config, family.epsilon),
        norm_first=norm_first,
        final_norm=norm_first and not read_flag(config, family.no_final_norm),
        norm_weights=family.norm_weights,
        query_key_norm=family.query_key_norm,
        attention_bias=attention_bias,
        output_bias=attention_bias if family.output_bias is None else read_flag(config, family.output_bias),
        mlp_bias=read_flag(config, family.mlp_bias),
        head_bias=family.head_bias,
        parallel=read_flag(config, family.parallel),
        activation=ACTIVATIONS[
            choice(config, family.activation.name, ACTIVATIONS, family.activation.default)
        ],
        scaled=family.scaled,
        rotary=read_rotary(config, family.rotary, head_size, positions) if family.rotary else None,
        windows=read_windows(config, family.windows, layers) if family.windows else [None] * layers,
        tied=flag(config, "tie_word_embeddings", family.tied),
    )


def read_flag(config: dict, setting: Key | bool) -> bool:
    """What a key of the configuration says, or what holds for all of a family."""
    return flag(config, *setting) if isinstance(setting, Key) else setting


def read_epsilon(config: dict, setting: Key | float) -> float:
    """What the norms add to a variance."""
    return number(config, *setting, kinds=(float,)) if isinstance(setting, Key) else setting


def check_fixed(config: dict, family: Family) -> None:
    """Raise UserError for a setting that no decoder of ours has, or none of this family."""
    own = () if family.windows is None else ("sliding_window", "layer_types")
    for key, value in FIXED.items():
        if key not in own and config.get(key, value) != value:
            raise found(key, config[key], value)


def read_head_size(config: dict, family: Family, quotient: int) -> int:
    """The features of a head: the hidden size shared out, but that a family may name them."""
    if family.head_size:
        return size(config, family.head_size, quotient)
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
