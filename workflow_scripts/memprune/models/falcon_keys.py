"""Falcon's config.json: what its two generations' keys, some of which overrule others, come to."""

from memprune.models.json_values import flag, found, size

ONE_BY_ONE = ["attention_norm", "mlp_norm"]
TOGETHER = {1: ["attention_norm"], 2: ["parallel_attention_norm", "parallel_mlp_norm"]}


def spell_out(config: dict) -> dict:
    """The configuration with the heads and norms that a Falcon has: `num_kv_heads`, `block_norms`.

    Raises UserError for keys that do not go together, with which transformers builds or runs no model.
    """
    heads = size(config, "num_attention_heads")
    key_heads = size(config, "num_kv_heads", heads)
    norms = config.get("num_ln_in_parallel_attn")
    parallel = flag(config, "parallel_attn", True)
    is_new = flag(config, "new_decoder_architecture", False)
    is_shared = flag(config, "multi_query", True) and not is_new
    if is_new and not parallel:
        raise found("parallel_attn", parallel, "true with new_decoder_architecture")
    if parallel and (
        type(norms) not in (int, type(None)) or norms not in ((None, 1, 2) if is_new else (None, 1))
    ):
        raise found("num_ln_in_parallel_attn", norms, "null, 1, or 2 with new_decoder_architecture")
    if not is_new and not is_shared and key_heads != heads:
        raise found("num_kv_heads", key_heads, f"the {heads} heads without multi_query")
    together = TOGETHER[norms or (2 if is_new else 1)]
    return config | {
        "num_kv_heads": 1 if is_shared else key_heads,
        "block_norms": together if parallel else ONE_BY_ONE,
    }
