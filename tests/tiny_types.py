"""A tiny model of each type of causal language model that transformers has, from its defaults."""

from collections.abc import Mapping

from transformers import AutoConfig, PreTrainedConfig

HIDDEN, LAYERS, HEADS, WIDE, VOCABULARY, POSITIONS = 64, 2, 4, 128, 512, 128
# What sizes are called, and the value of each.
SIZES = [
    (
        LAYERS,
        [
            *("num_hidden_layers", "n_layer", "num_layers", "n_layers", "decoder_layers", "encoder_layers"),
            *("num_decoder_layers", "num_encoder_layers", "num_blocks"),
        ],
    ),
    (HIDDEN, ["hidden_size", "n_embd", "d_model", "dim", "emb_dim", "decoder_hidden_size", "embedding_size"]),
    (
        HEADS,
        [
            *("num_attention_heads", "n_head", "n_heads", "num_heads", "num_key_value_heads"),
            *("decoder_attention_heads", "encoder_attention_heads", "num_decoder_attention_heads"),
            *("num_encoder_attention_heads", "num_experts", "num_local_experts", "n_routed_experts"),
            *("moe_num_experts", "mamba_n_heads", "mamba_num_heads"),
            *("linear_num_key_heads", "linear_num_value_heads"),
        ],
    ),
    (
        WIDE,
        [
            *("intermediate_size", "ffn_dim", "n_inner", "d_ff", "ffn_hidden_size", "moe_intermediate_size"),
            *("decoder_ffn_dim", "encoder_ffn_dim", "shared_expert_intermediate_size", "dim_ff"),
            *("expert_ffn_hidden_size", "mamba_d_ssm"),
        ],
    ),
    (
        16,
        [
            *("head_dim", "qk_head_dim", "v_head_dim", "qk_nope_head_dim", "qk_rope_head_dim", "rotary_dim"),
            *("attention_head_dim", "d_head", "q_lora_rank", "kv_lora_rank", "o_lora_rank", "index_head_dim"),
            *("mamba_d_state", "state_size", "ssm_state_size"),
        ],
    ),
    (32, ["mamba_d_head", "mamba_head_dim", "linear_key_head_dim", "linear_value_head_dim"]),
    (
        VOCABULARY,
        [
            *("vocab_size", "n_vocab", "src_vocab_size", "tgt_vocab_size", "decoder_vocab_size"),
            *("vocab_size_per_layer_input", "encoder_hash_byte_group_vocab"),
        ],
    ),
    (POSITIONS, ["max_position_embeddings", "n_positions", "n_ctx", "max_seq_len"]),
    (2, ["num_experts_per_tok", "num_experts_per_token", "moe_topk", "moe_k"]),
    (1, ["n_group", "topk_group", "num_expert_group", "first_k_dense_replace", "n_groups", "mamba_n_groups"]),
    (8, ["sliding_window", "attention_window_size", "window_size"]),
]
SMALL = {name: size for size, names in SIZES for name in names}
KINDS = ("layer_types", "mlp_layer_types", "layers_block_type", "block_types")  # a word a layer
# What single types need beside.
MORE: Mapping[str, Mapping[str, object]] = {
    "deepseek_v2": {"num_experts_per_tok": 2},
    "falcon_h1": {"mamba_d_head": 32, "mamba_n_heads": 4, "mamba_d_ssm": 128},
    "gemma3n_text": {
        "intermediate_size": WIDE,
        "num_kv_shared_layers": 0,
        "activation_sparsity_pattern": None,
    },
    "gemma4_text": {"per_layer_config": None},
    "gemma4_unified_text": {"per_layer_config": None},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]], "attention_layers": ["global", "local"]},
    "hunyuan_v1_dense": {"head_dim": 16},
    "hunyuan_v1_moe": {"head_dim": 16},
    "laguna": {"num_attention_heads_per_layer": [HEADS, HEADS]},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"]},
    "longcat_flash": {"head_dim": 16, "qk_head_dim": 32},
    "mamba2": {"num_heads": 8, "head_dim": 16, "n_groups": 1},
    "ministral": {"head_dim": 16},
    "nemotron": {"num_key_value_heads": HEADS, "head_dim": 16},
    "reformer": {"axial_pos_embds": False, "attn_layers": ["local", "lsh"], "local_attn_chunk_length": 16},
    "xlstm": {"hidden_size": HIDDEN, "embedding_dim": HIDDEN},
    "xmod": {"default_language": "en_XX"},
}


def tiny_config(model_type: str) -> PreTrainedConfig:
    """A small configuration of a type, else as transformers has it; of a decoder, where it may be one."""
    config = AutoConfig.for_model(model_type)
    if hasattr(config, "is_decoder"):
        config.is_decoder = True
    make_small(config)
    for key, value in MORE.get(model_type, {}).items():
        setattr(config, key, value)
    return type(config).from_dict(config.to_dict())


def make_small(config: PreTrainedConfig) -> None:
    """Set the sizes of a configuration and of those in it to small ones, and leave out most of its layers."""
    for key, value in list(vars(config).items()):
        if isinstance(value, PreTrainedConfig):
            make_small(value)
        elif type(value) is int:
            name = config.attribute_map.get(key, key)
            small = SMALL.get(name)
            if name.endswith("_token_id"):
                small = VOCABULARY - 1
            if small is not None and value > small:
                setattr(config, key, small)
    for key in KINDS:
        words = vars(config).get(key)
        if isinstance(words, list | tuple) and len(words) > LAYERS:
            own = list(dict.fromkeys(words))
            setattr(config, key, (own + own)[:LAYERS] if len(own) > 1 else own * LAYERS)
