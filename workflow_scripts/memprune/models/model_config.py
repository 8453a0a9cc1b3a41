"""A model's config.json: the architecture that it asks for, as transformers 5 reads it.

Every key that changes what transformers computes is either read here or allowed at one value only. What is
left out has the default of transformers' class, but for sizes, which must be there.
"""

from memprune.models.architecture import Architecture
from memprune.models.families import FAMILIES
from memprune.models.json_values import choice, flag, found, number, size
from memprune.models.rotary import read_rotary

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
# Each family's own names; where GPT-2 has the common name too, transformers lets that one decide.
COMMON = {
    "layers": "num_hidden_layers",
    "hidden": "hidden_size",
    "heads": "num_attention_heads",
    "positions": "max_position_embeddings",
}
KEYS = {
    "gpt_neox": COMMON
    | {"intermediate": "intermediate_size", "activation": "hidden_act", "epsilon": "layer_norm_eps"},
    "gpt2": {"layers": "n_layer", "hidden": "n_embd", "heads": "n_head", "positions": "n_positions"}
    | {"intermediate": "n_inner", "activation": "activation_function", "epsilon": "layer_norm_epsilon"},
    "llama": COMMON
    | {"intermediate": "intermediate_size", "activation": "hidden_act", "epsilon": "rms_norm_eps"},
    "opt": COMMON | {"intermediate": "ffn_dim", "activation": "activation_function"},
}
ACTIVATION = {"gpt_neox": "gelu", "gpt2": "gelu_new", "llama": "silu", "opt": "relu"}
EPSILON = {"gpt_neox": 1e-5, "gpt2": 1e-5, "llama": 1e-6, "opt": 1e-5}
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
}
# Settings of training, of other heads, of outputs and of how (not what) is computed. GPT-2's
# `reorder_and_upcast_attn` acts in transformers' eager attention alone, which is not its default.
NEUTRAL = {
    *("attention_dropout", "hidden_dropout", "classifier_dropout", "dropout", "layerdrop"),
    *("attn_pdrop", "embd_pdrop", "resid_pdrop", "summary_first_dropout"),
    *("initializer_range", "init_std"),
    *("summary_activation", "summary_proj_to_labels", "summary_type", "summary_use_proj"),
    *("id2label", "label2id", "problem_type"),
    *("bos_token_id", "eos_token_id", "is_decoder", "is_encoder_decoder", "use_cache"),
    *("output_hidden_states", "return_dict", "chunk_size_feed_forward", "pretraining_tp"),
    *("architectures", "dtype", "transformers_version", "reorder_and_upcast_attn"),
}


def read_architecture(config: dict) -> Architecture:
    """The architecture in a configuration; raises UserError for a key that is missing or not supported."""
    family = choice(config, "model_type", FAMILIES)
    check_fixed(config)
    if family == "gpt2":
        config = config | {KEYS[family][name]: config[key] for name, key in COMMON.items() if key in config}
    key = KEYS[family]
    hidden, heads = size(config, key["hidden"]), size(config, key["heads"])
    if hidden % heads:
        raise found("hidden size", hidden, f"a multiple of the {heads} heads")
    head_size = read_head_size(config, family, hidden // heads)
    key_heads = size(config, "num_key_value_heads", heads) if family == "llama" else heads
    if heads % key_heads:
        raise found("num_key_value_heads", key_heads, f"a divisor of the {heads} heads")
    positions, vocabulary = size(config, key["positions"]), size(config, "vocab_size")
    check_padding(config, family, vocabulary)
    opt, llama, neox = (family == name for name in ("opt", "llama", "gpt_neox"))
    norm_first = flag(config, "do_layer_norm_before", True) if opt else True
    bias = flag(config, "enable_bias", True) if opt else True
    rotary = read_rotary(config, family, head_size, positions) if llama or neox else None
    return Architecture(
        family=family,
        vocabulary=vocabulary,
        layers=size(config, key["layers"]),
        hidden=hidden,
        intermediate=size(config, key["intermediate"], 4 * hidden if family == "gpt2" else None),
        heads=heads,
        key_heads=key_heads,
        head_size=head_size,
        positions=positions,
        embedding_width=size(config, "word_embed_proj_dim", hidden) if opt else hidden,
        norm="rms" if llama else "layer",
        epsilon=read_epsilon(config, family),
        norm_first=norm_first,
        final_norm=not opt or (norm_first and not flag(config, "_remove_final_layer_norm", False)),
        attention_bias=flag(config, "attention_bias", neox) if neox or llama else bias,
        mlp_bias=flag(config, "mlp_bias", False) if llama else bias,
        parallel=neox and flag(config, "use_parallel_residual", True),
        activation=ACTIVATIONS[choice(config, key["activation"], ACTIVATIONS, ACTIVATION[family])],
        rotary=rotary,
        tied=flag(config, "tie_word_embeddings", family in ("gpt2", "opt")),
    )


def read_epsilon(config: dict, family: str) -> float:
    """What the norms add to a variance; OPT's configuration does not say."""
    if family == "opt":
        return EPSILON[family]
    return number(config, KEYS[family]["epsilon"], EPSILON[family], kinds=(float,))


def check_fixed(config: dict) -> None:
    """Raise UserError for a setting that no decoder of ours has."""
    for key, value in FIXED.items():
        if config.get(key, value) != value:
            raise found(key, config[key], value)


def read_head_size(config: dict, family: str, quotient: int) -> int:
    """The features of a head: the hidden size shared out, but that Llama may name them.

    transformers' GPT-NeoX takes `head_dim` for its rotary positions alone, which cannot be meant.
    """
    if family == "llama":
        return size(config, "head_dim", quotient)
    if family == "gpt_neox" and config.get("head_dim") not in (None, quotient):
        raise found("head_dim", config["head_dim"], f"{quotient}, the hidden size shared among the heads")
    return quotient


def check_padding(config: dict, family: str, vocabulary: int) -> None:
    """Raise UserError for a `pad_token_id` outside of the embedding: transformers does not load with it."""
    padding = config.get("pad_token_id")
    if family not in ("llama", "opt") or padding is None:
        return
    if type(padding) is not int or not -vocabulary <= padding < vocabulary:
        raise found("pad_token_id", padding, f"null, or a row of the embedding (0 to {vocabulary - 1})")
