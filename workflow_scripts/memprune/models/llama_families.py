"""Families that descend from Llama: what all have in common, and in what each differs."""

from dataclasses import replace

from memprune.models.family_fields import Family, Key, RotaryKeys, WindowKeys

LLAMA_LAYOUT = {
    "base": "model.",
    "block": "layers.",
    "matrices": {
        "self_attn.q_proj": "query",
        "self_attn.k_proj": "key",
        "self_attn.v_proj": "value",
        "self_attn.o_proj": "output",
        "mlp.gate_proj": "gate",
        "mlp.up_proj": "up",
        "mlp.down_proj": "down",
    },
    "norms": {"input_layernorm": "attention_norm", "post_attention_layernorm": "mlp_norm"},
    "around": {"embed_tokens": "embedding", "norm": "final_norm"},
    "activation": Key("hidden_act", "silu"),
    "epsilon": Key("rms_norm_eps", 1e-6),
    "key_heads": "num_key_value_heads",
    "padding_is_a_row": True,
    "norm": "rms",
    "mlp_bias": False,
    "rotary": RotaryKeys("rope_theta", Key("partial_rotary_factor", 1.0), partial=False),
}
QWEN_NORMS = {"self_attn.q_norm": "query_norm", "self_attn.k_norm": "key_norm"}
QWEN_WINDOWS = WindowKeys(
    Key("sliding_window", 4096), Key("use_sliding_window", False), first=Key("max_window_layers", 28)
)
UNROUNDED_ROTARY = replace(LLAMA_LAYOUT["rotary"], rounded=False)
# What Gemma's generations share beside that.
GEMMA_LAYOUT = LLAMA_LAYOUT | {
    "plus_one": True,
    "scaled_embedding": True,
    "attention_bias": Key("attention_bias", False),
    "head_size": Key("head_dim", 256),
    "tied": True,
}
GEMMA_2_LAYOUT = GEMMA_LAYOUT | {
    "norms": {
        "input_layernorm": "attention_norm",
        "post_attention_layernorm": "output_norm",
        "pre_feedforward_layernorm": "mlp_norm",
        "post_feedforward_layernorm": "down_norm",
    },
    "activation": Key("hidden_activation", "gelu_pytorch_tanh"),
    "key_heads": Key("num_key_value_heads", 4),
    "attention_scale": Key("query_pre_attn_scalar", 256),
}
# What OLMo 2 and 3 share beside what they have of Llama.
OLMO_2_LAYOUT = LLAMA_LAYOUT | {
    "norms": {
        "post_attention_layernorm": "output_norm",
        "post_feedforward_layernorm": "down_norm",
        **QWEN_NORMS,
    },
    "joint_head_norms": True,
    "epsilon": Key("rms_norm_eps", 1e-5),
    "attention_bias": Key("attention_bias", False),
    "fixed_head_size": "head_dim",
}

LLAMA = Family(
    **LLAMA_LAYOUT | {"mlp_bias": Key("mlp_bias", False)},
    head_size="head_dim",
    attention_bias=Key("attention_bias", False),
)
LIKE_LLAMA = {
    "mistral": Family(
        **LLAMA_LAYOUT,
        head_size="head_dim",
        attention_bias=False,
        windows=WindowKeys(Key("sliding_window", 4096)),
    ),
    "qwen2": Family(
        **LLAMA_LAYOUT,
        fixed_head_size="head_dim",
        attention_bias=True,
        output_bias=False,
        windows=QWEN_WINDOWS,
    ),
    "qwen3": Family(
        **LLAMA_LAYOUT | {"norms": LLAMA_LAYOUT["norms"] | QWEN_NORMS},
        head_size="head_dim",
        attention_bias=Key("attention_bias", False),
        windows=QWEN_WINDOWS,
    ),
    "gemma": Family(
        **GEMMA_LAYOUT
        | {
            "activation": Key("hidden_act", "gelu_pytorch_tanh"),
            "key_heads": Key("num_key_value_heads", 16),
        },
        tanh_gelu=True,
    ),
    "gemma2": Family(
        **GEMMA_2_LAYOUT,
        attention_cap=Key("attn_logit_softcapping", 50.0),
        logit_cap=Key("final_logit_softcapping", 30.0),
        windows=WindowKeys(Key("sliding_window", 4096), full_every=2),
        keeps_squares=True,
    ),
    "gemma3_text": Family(
        **GEMMA_2_LAYOUT
        | {
            "norms": GEMMA_2_LAYOUT["norms"] | QWEN_NORMS,
            "rotary": replace(
                LLAMA_LAYOUT["rotary"],
                default_base=1_000_000.0,
                local_base=Key("rope_local_base_freq", 10_000.0),
            ),
        },
        logit_cap=Key("final_logit_softcapping", None),
        windows=WindowKeys(Key("sliding_window", 4096), full_every=Key("sliding_window_pattern", 6)),
    ),
    "olmo": Family(
        **LLAMA_LAYOUT
        | {
            "norms": {},
            "around": {"embed_tokens": "embedding"},
            "norm": "layer",
            "epsilon": 1e-5,
            "rotary": UNROUNDED_ROTARY,
        },
        norm_weights=False,
        clip=Key("clip_qkv", None),
        fixed_head_size="head_dim",
        attention_bias=Key("attention_bias", False),
    ),
    "olmo2": Family(
        **OLMO_2_LAYOUT | {"rotary": UNROUNDED_ROTARY},
    ),
    "olmo3": Family(
        **OLMO_2_LAYOUT | {"rotary": replace(UNROUNDED_ROTARY, default_base=500_000.0, local_base=500_000.0)},
        windows=WindowKeys(Key("sliding_window", 4096), full_every=4),
    ),
}
