"""As `test_grid`, of the families whose records choose most: drawn configurations, against transformers."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_models import GATE, POSITIONS, VOCABULARY, booleans, check_configuration, some
from random_rotary import rotary_keys

LAYER_TYPES = ("full_attention", "sliding_attention")
Maybe = Callable[..., dict]


def gemma(draw, maybe: Maybe, family: str, config: dict, layers: int, heads: int) -> dict:
    """Gemma of three generations."""
    config |= {"intermediate_size": draw(some([12, 20])), "head_dim": draw(some([2, 6, 10]))}
    config |= {"num_key_value_heads": draw(some([n for n in (1, 2, 4) if heads % n == 0]))}
    activation = some(["gelu", "gelu_pytorch_tanh", "silu"])
    config |= maybe(
        rms_norm_eps=some([1e-6, 1e-3]),
        attention_bias=booleans,
        hidden_act=activation,
        hidden_activation=activation,
        use_bidirectional_attention=some([None, False]),
    )
    if family == "gemma":
        return config | draw(rotary_keys(family, config["head_dim"]))
    config |= maybe(
        query_pre_attn_scalar=some([5, 144]),
        sliding_window=some([1, 4, 30, None]),
        layer_types=st.none() | st.lists(some(LAYER_TYPES), min_size=layers, max_size=layers),
        final_logit_softcapping=some([None, 0.7, 30.0]),
    )
    if family == "gemma2":
        config |= maybe(attn_logit_softcapping=some([None, 0.7, 30.0]))
        return config | draw(rotary_keys(family, config["head_dim"]))
    return config | maybe(sliding_window_pattern=some([1, 2, 6])) | draw(rotary_by_layer())


def olmo(draw, maybe: Maybe, family: str, config: dict, layers: int, heads: int) -> dict:
    """OLMo of three generations."""
    config |= {"intermediate_size": draw(some([12, 20]))}
    config |= maybe(
        num_key_value_heads=some([None, *(n for n in (1, 2, 4) if heads % n == 0)]),
        hidden_act=some(["silu", "gelu"]),
        attention_bias=booleans,
        rms_norm_eps=some([1e-6, 1e-3]),
    )
    if family == "olmo":
        return config | maybe(clip_qkv=some([None, 0.4, 8.0]))
    if family == "olmo2":
        return config
    config |= maybe(
        sliding_window=some([1, 4, 30, None]),
        layer_types=st.none() | st.lists(some(LAYER_TYPES), min_size=layers, max_size=layers),
    )
    return config | draw(rotary_by_layer())


def phi(draw, maybe: Maybe, family: str, config: dict, layers: int, heads: int) -> dict:
    """Phi, with and without norms of queries and keys."""
    config |= {"intermediate_size": draw(some([12, 20]))}
    return config | maybe(
        qk_layernorm=booleans,
        num_key_value_heads=some([None, *(n for n in (1, 2, 4) if heads % n == 0)]),
        hidden_act=some(["gelu_new", "relu"]),
        partial_rotary_factor=some([0.25, 0.5, 1.0]),
    )


def bloom(draw, maybe: Maybe, family: str, config: dict, layers: int, heads: int) -> dict:
    """Bloom, in old and new names of its sizes."""
    config |= {"seq_length": POSITIONS}
    for key, name in (("hidden_size", "n_embed"), ("num_hidden_layers", "n_layer")):
        spelling = draw(some(["own", "common", "both"]))
        if spelling != "common":
            config[name] = config[key] if spelling == "own" or name == "n_embed" else config[key] + 1
        if spelling == "own":
            del config[key]
        elif spelling == "both" and name == "n_embed":
            config[key] += 8  # the older name decides
    return config | maybe(
        layer_norm_epsilon=some([1e-6, 1e-3]),
        apply_residual_connection_post_layernorm=st.just(False),
        pretraining_tp=some([1, 4]),
        slow_but_exact=st.just(False),
        n_inner=st.none(),
    )


def falcon(draw, maybe: Maybe, family: str, config: dict, layers: int, heads: int) -> dict:
    """Falcon, its choices in any combination."""
    config |= maybe(
        new_decoder_architecture=booleans,
        parallel_attn=booleans,
        multi_query=booleans,
        alibi=booleans,
        bias=booleans,
        num_kv_heads=some([None, *(n for n in (1, 2, 4) if heads % n == 0)]),
        num_ln_in_parallel_attn=some([None, 1, 2]),
        ffn_hidden_size=some([None, 12]),
        activation=some(["gelu", "relu"]),
        layer_norm_epsilon=some([1e-6, 1e-3]),
    )
    return config | draw(rotary_keys(family, config["hidden_size"] // heads))


@st.composite
def rotary_by_layer(draw) -> dict:
    """Rotary positions of layers with a window and without, in old and new spellings."""
    stretch = some([{"rope_type": "linear", "factor": 4.0}, {"type": "linear", "factor": 2.0}])
    base = some([100, 10_000.0])
    around = {key: draw(base) for key in ("rope_theta", "rope_local_base_freq") if draw(booleans)}
    if draw(booleans):
        return around | {"rope_scaling": draw(st.none() | stretch)}
    inner = st.none() | st.builds(lambda a, b: a | b, some([{}, {"rope_theta": 50.0}]), some([{}]) | stretch)
    kinds = {kind: draw(inner) for kind in LAYER_TYPES if draw(booleans)}
    return around | {"rope_parameters": draw(some([None, kinds]))}


KINDS = dict.fromkeys(("gemma", "gemma2", "gemma3_text"), gemma)
KINDS |= dict.fromkeys(("olmo", "olmo2", "olmo3"), olmo) | {"phi": phi, "bloom": bloom, "falcon": falcon}


@st.composite
def configurations(draw, family: str) -> dict:
    """The content of a config.json of one of these families."""
    heads, layers = draw(some([1, 2, 3, 4])), draw(st.integers(1, 3))
    config = {
        "model_type": family,
        "vocab_size": VOCABULARY,
        "hidden_size": heads * draw(some([2, 4, 6, 8])),
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "max_position_embeddings": POSITIONS,
    }

    def maybe(**keys) -> dict:
        return {key: draw(values) for key, values in keys.items() if draw(booleans)}

    config |= maybe(tie_word_embeddings=booleans, pad_token_id=some([None, 0]), unknown_key=some([1, "x"]))
    return KINDS[family](draw, maybe, family, config, layers, heads)


@pytest.mark.parametrize("family", KINDS)
@GATE
@given(data=st.data())
def test_every_configuration_of_a_family(family, data):
    check_configuration(data, configurations(family))
