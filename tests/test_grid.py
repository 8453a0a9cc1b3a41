"""A folder that transformers loads gives transformers' log-probabilities, or one line that says why not.

Drawn over families, configurations in old and new spellings, layouts of files and dtypes. The reference is
`AutoModelForCausalLM` on the same folder: where it does not load, or fills in weights that the files lack,
a number of ours would be wrong whatever it is.
"""

import pytest
from conftest import FAMILIES
from hypothesis import given
from hypothesis import strategies as st
from random_models import (
    GATE,
    POSITIONS,
    VOCABULARY,
    booleans,
    check_configuration,
    some,
)
from random_rotary import rotary_keys

from memprune.models.model_config import ACTIVATIONS


@st.composite
def configurations(draw, family: str) -> dict:
    """The content of a config.json: sizes, and every choice that changes what the model computes."""
    head_size, heads = draw(some([4, 5, 6, 8, 12])), draw(some([1, 2, 4]))
    hidden, layers, width = head_size * heads, draw(st.integers(1, 3)), draw(some([12, 20, 33]))
    activation = draw(some(sorted(ACTIVATIONS)))
    epsilon = draw(some([1e-6, 1e-5, 1e-3]))

    def maybe(**keys) -> dict:
        return {key: draw(values) for key, values in keys.items() if draw(booleans)}

    config = {"model_type": family, "vocab_size": VOCABULARY, **maybe(tie_word_embeddings=booleans)}
    config |= {"architectures": ["AnyForCausalLM"], "bos_token_id": 0, "eos_token_id": 0}
    # What no class knows, or what another family's class knows, changes nothing.
    config |= maybe(unknown_key=some([1, "x", None]), use_cache=booleans, is_decoder=booleans)
    common = {
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "max_position_embeddings": POSITIONS,
    }
    if family == "gpt_neox":
        config |= common | {"intermediate_size": width}
        config |= maybe(
            hidden_act=st.just(activation),
            layer_norm_eps=st.just(epsilon),
            use_parallel_residual=booleans,
            attention_bias=booleans,
            num_key_value_heads=st.just(1),
            do_layer_norm_before=st.just(False),
        )
        return config | draw(rotary_keys(family, head_size))
    if family == "gpt2":
        own = {"n_embd": hidden, "n_layer": layers, "n_head": heads, "n_positions": POSITIONS}
        names = dict(zip(common, ("n_embd", "n_layer", "n_head", "n_positions"), strict=True))
        for key, name in names.items():
            spelling = draw(some(["own", "own", "common", "both"]))
            if spelling != "own":
                config[key] = common[key]
            if spelling == "common":
                del own[name]
            if spelling == "both":
                own[name] += 8  # the common name decides
        config |= own
        return config | maybe(
            n_inner=some([None, width]),
            activation_function=st.just(activation),
            layer_norm_epsilon=st.just(epsilon),
            reorder_and_upcast_attn=booleans,
            hidden_act=st.just("relu"),
            head_dim=st.just(3),
        )
    if family == "llama":
        config |= common | {"intermediate_size": width, "pad_token_id": draw(some([None, -1, 0]))}
        config |= maybe(
            hidden_act=st.just(activation),
            rms_norm_eps=st.just(epsilon),
            num_key_value_heads=some([None, *(n for n in (1, 2, 4) if heads % n == 0)]),
            attention_bias=booleans,
            mlp_bias=booleans,
            head_dim=some([None, 4, 6, 10]),
            pretraining_tp=some([1, 2]),
            n_inner=st.just(7),
        )
        return config | draw(rotary_keys(family, head_size))
    config |= common | {"ffn_dim": width, "pad_token_id": draw(some([None, 1]))}
    return config | maybe(
        activation_function=st.just(activation),
        word_embed_proj_dim=some([None, 6, hidden]),
        do_layer_norm_before=booleans,
        _remove_final_layer_norm=booleans,
        enable_bias=booleans,
        hidden_act=st.just("silu"),
        attention_bias=st.just(False),
        intermediate_size=st.just(5),
    )


@pytest.mark.parametrize("family", FAMILIES)
@GATE
@given(data=st.data())
def test_every_configuration(family, data):
    check_configuration(data, configurations(family))
