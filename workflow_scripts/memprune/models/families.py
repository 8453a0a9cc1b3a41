"""The families of decoders: all in which they differ, one record a family.

Names of tensors are those that transformers loads from, no others: a name that it would pass over belongs to
a model that it would fill with random weights. Any tensor must have a part in its family's record, or it is
an error. Embedding, norms and head lie outside the matrices and are never pruned.
"""

from dataclasses import replace

from memprune.models import falcon_keys
from memprune.models.family_fields import Family, Key, RotaryKeys, WindowKeys

# What the many descendants of Llama have in common with it.
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
# The keys of config.json that GPT-2 and GPT-J share.
GPT_KEYS = {
    "activation": Key("activation_function", "gelu_new"),
    "epsilon": Key("layer_norm_epsilon", 1e-5),
    "layers": "n_layer",
    "hidden": "n_embd",
    "attention_heads": "n_head",
    "positions": "n_positions",
    "intermediate": "n_inner",
    "widening": 4,
}
BLOOM_MATRICES = {
    "self_attention.query_key_value": "query_key_value",
    "self_attention.dense": "output",
    "mlp.dense_h_to_4h": "up",
    "mlp.dense_4h_to_h": "down",
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

FAMILIES = {
    "gpt_neox": Family(
        base="gpt_neox.",
        block="layers.",
        matrices={
            "attention.query_key_value": "query_key_value",
            "attention.dense": "output",
            "mlp.dense_h_to_4h": "up",
            "mlp.dense_4h_to_h": "down",
        },
        norms={"input_layernorm": "attention_norm", "post_attention_layernorm": "mlp_norm"},
        around={"embed_in": "embedding", "final_layer_norm": "final_norm"},
        heads=("lm_head", "embed_out"),
        interleaved=True,
        causal_masks=True,
        activation=Key("hidden_act", "gelu"),
        epsilon=Key("layer_norm_eps", 1e-5),
        # transformers takes it for rotary positions alone, which cannot be meant.
        fixed_head_size="head_dim",
        attention_bias=Key("attention_bias", True),
        parallel=Key("use_parallel_residual", True),
        rotary=RotaryKeys("rotary_emb_base", Key("rotary_pct", 0.25), partial=True),
    ),
    "gpt2": Family(
        base="transformer.",
        block="h.",
        matrices={
            "attn.c_attn": "query_key_value",
            "attn.c_proj": "output",
            "mlp.c_fc": "up",
            "mlp.c_proj": "down",
        },
        norms={"ln_1": "attention_norm", "ln_2": "mlp_norm"},
        around={"wte": "embedding", "wpe": "positions", "ln_f": "final_norm"},
        input_first=True,
        position_offset=0,
        **GPT_KEYS,
        tied=True,
    ),
    "llama": Family(
        **LLAMA_LAYOUT | {"mlp_bias": Key("mlp_bias", False)},
        head_size="head_dim",
        attention_bias=Key("attention_bias", False),
    ),
    "opt": Family(
        base="model.",
        inner="decoder.",
        block="layers.",
        matrices={
            "self_attn.q_proj": "query",
            "self_attn.k_proj": "key",
            "self_attn.v_proj": "value",
            "self_attn.out_proj": "output",
            "fc1": "up",
            "fc2": "down",
        },
        norms={"self_attn_layer_norm": "attention_norm", "final_layer_norm": "mlp_norm"},
        around={
            "embed_tokens": "embedding",
            "embed_positions": "positions",
            "project_in": "project_in",
            "project_out": "project_out",
            "final_layer_norm": "final_norm",
        },
        position_offset=2,  # rows for padding
        activation=Key("activation_function", "relu"),
        epsilon=1e-5,
        intermediate="ffn_dim",
        embedding_width="word_embed_proj_dim",
        padding_is_a_row=True,
        norm_first=Key("do_layer_norm_before", True),
        no_final_norm=Key("_remove_final_layer_norm", False),
        attention_bias=Key("enable_bias", True),
        mlp_bias=Key("enable_bias", True),
        tied=True,
    ),
    "gpt_neo": Family(
        base="transformer.",
        block="h.",
        matrices={
            "attn.attention.q_proj": "query",
            "attn.attention.k_proj": "key",
            "attn.attention.v_proj": "value",
            "attn.attention.out_proj": "output",
            "mlp.c_fc": "up",
            "mlp.c_proj": "down",
        },
        norms={"ln_1": "attention_norm", "ln_2": "mlp_norm"},
        around={"wte": "embedding", "wpe": "positions", "ln_f": "final_norm"},
        position_offset=0,
        causal_masks=True,
        activation=Key("activation_function", "gelu_new"),
        epsilon=Key("layer_norm_epsilon", 1e-5),
        layers="num_layers",
        attention_heads="num_heads",
        widening=4,
        attention_bias=False,
        output_bias=True,
        attention_scale=1.0,
        keeps_squares=True,
        windows=WindowKeys(
            Key("window_size", 256),
            kinds=Key("attention_types", [[["global", "local"], 12]]),
            spelled_out="attention_layers",
        ),
        tied=True,
    ),
    "gptj": Family(
        base="transformer.",
        block="h.",
        matrices={
            "attn.q_proj": "query",
            "attn.k_proj": "key",
            "attn.v_proj": "value",
            "attn.out_proj": "output",
            "mlp.fc_in": "up",
            "mlp.fc_out": "down",
        },
        norms={"ln_1": "attention_norm"},
        around={"wte": "embedding", "ln_f": "final_norm"},
        causal_masks=True,
        **GPT_KEYS,
        attention_bias=False,
        head_bias=True,
        parallel=True,
        rotary=Key("rotary_dim", 64),
        pairs_together=True,
        keeps_squares=True,
    ),
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
    "bloom": Family(
        base="transformer.",
        block="h.",
        matrices=BLOOM_MATRICES,
        norms=LLAMA_LAYOUT["norms"],
        around={
            "word_embeddings": "embedding",
            "word_embeddings_layernorm": "embedding_norm",
            "ln_f": "final_norm",
        },
        interleaved=True,
        activation="gelu_new",
        epsilon=Key("layer_norm_epsilon", 1e-5),
        layers="n_layer",
        older_hidden="n_embed",
        attention_heads="n_head",
        positions=Key("seq_length", 2048),  # of the texts that it was trained on: biases have no end
        intermediate=None,
        widening=4,
        alibi="added",
        keeps_squares=True,
        tied=True,
    ),
    "falcon": Family(
        base="transformer.",
        block="h.",
        matrices=BLOOM_MATRICES,
        norms={
            **LLAMA_LAYOUT["norms"],
            "ln_attn": "parallel_attention_norm",
            "ln_mlp": "parallel_mlp_norm",
        },
        block_norms="block_norms",
        around={"word_embeddings": "embedding", "ln_f": "final_norm"},
        interleaved=True,
        spell_out=falcon_keys.spell_out,
        activation=Key("activation", "gelu"),
        epsilon=Key("layer_norm_epsilon", 1e-5),
        older_hidden="n_embed",
        positions=Key("max_position_embeddings", 2048),
        intermediate="ffn_hidden_size",
        widening=4,
        key_heads="num_kv_heads",
        attention_bias=Key("bias", False),
        mlp_bias=Key("bias", False),
        parallel=Key("parallel_attn", True),
        alibi="masked",
        has_alibi=Key("alibi", False),
        rotary=LLAMA_LAYOUT["rotary"],
        tied=True,
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
    "phi": Family(
        base="model.",
        block="layers.",
        matrices={
            "self_attn.q_proj": "query",
            "self_attn.k_proj": "key",
            "self_attn.v_proj": "value",
            "self_attn.dense": "output",
            "mlp.fc1": "up",
            "mlp.fc2": "down",
        },
        norms={
            "input_layernorm": "attention_norm",
            "self_attn.q_layernorm": "query_norm",
            "self_attn.k_layernorm": "key_norm",
        },
        head_norms=Key("qk_layernorm", False),
        around={"embed_tokens": "embedding", "final_layernorm": "final_norm"},
        activation=Key("hidden_act", "gelu_new"),
        epsilon=Key("layer_norm_eps", 1e-5),
        key_heads="num_key_value_heads",
        fixed_head_size="head_dim",
        padding_is_a_row=True,
        head_bias=True,
        parallel=True,
        rotary=RotaryKeys("rope_theta", Key("partial_rotary_factor", 0.5), partial=True, even=True),
    ),
}
